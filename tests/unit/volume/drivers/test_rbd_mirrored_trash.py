# SPDX-License-Identifier: Apache-2.0
"""The trash of a mirrored back end of RBD: what a failover between the deletion and the restore or
the purge changes."""
import json

import pytest

from cinder import exception
from cinder.volume.drivers import rbd, rbd_sites
from cinder.volume.drivers.trash_names import kept
from tests import rbd_storage
from tests.fakes import mirrored, volumes

SITES = ('default', 'second')


def _trash(driver, pools, volume):
    """Move a volume to the trash as the manager does; the daemons remove its copy."""
    volumes.stored(volume, driver.trash_place(volume))
    driver.trash_volume(volume)
    mirrored.carry(*pools)


def _places(pools, volume):
    """What each cluster has of a volume: 'volume', 'copy' or 'trash'."""
    found = [(pool.images.get(volume.name), kept(volume.name) in pool.images) for pool in pools]
    return tuple(('volume' if image.primary or not image.enabled else 'copy') if image else
                 'trash' if in_trash else None for image, in_trash in found)


@pytest.mark.parametrize('mode', ['journal', 'snapshot'])
@pytest.mark.parametrize('deleted', [0, 1], ids=SITES)
@pytest.mark.parametrize('wanted', [0, 1], ids=SITES)
def test_a_volume_comes_back_where_it_was_deleted(driver, pools, fail_over, mode, deleted, wanted):
    """It is mirrored again, and follows the back end with the next request."""
    volume = mirrored.volume(mirrored.TRUE | {'rbd:mirror_mode': mode})
    volumes.stored(volume, driver.create_volume(volume))
    mirrored.carry(*pools)
    if deleted:
        assert fail_over('second', volume) == 'second'
    mirrored.write(pools[deleted], volume, 'a')
    _trash(driver, pools, volume)
    assert _places(pools, volume) == [('trash', None), (None, 'trash')][deleted]
    if wanted != deleted:
        fail_over(SITES[wanted])
    for _attempt in range(2):
        volumes.stored(volume, driver.restore_trashed_volume(volume))
    mirrored.carry(*pools)
    assert _places(pools, volume) == [('volume', 'copy'), ('copy', 'volume')][deleted]
    assert volume.replication_status == ('failed-over' if deleted else 'enabled')
    assert json.loads(volume.replication_driver_data)['mode'] == mode
    assert driver.initialize_connection(volume, {})['data']['secret_uuid'] == (
        's2' if deleted else 'fsid-one')
    mirrored.write(pools[deleted], volume, 'b')
    fail_over(SITES[wanted], volume)
    assert _places(pools, volume) == [('volume', 'copy'), ('copy', 'volume')][wanted]
    assert pools[wanted].images[volume.name].written == ['a', 'b']
    assert rbd_sites.name_of(volume) in (None, SITES[wanted])


def test_what_was_restored_there_does_not_begin_a_failback(driver, pools, volume, fail_over):
    restored = mirrored.volume(mirrored.TRUE)
    volumes.stored(restored, driver.create_volume(restored))
    _trash(driver, pools, restored)
    fail_over('second', volume)
    volumes.stored(restored, driver.restore_trashed_volume(restored))
    pools[0].images[volume.name].text = 'stopped'
    with pytest.raises(exception.UnableToFailOver, match='after 86400 s.*stopped'):
        driver.failover_host([volume, restored], 'default', False)
    assert fail_over('default', volume, restored) is None
    assert _places(pools, restored) == _places(pools, volume) == ('volume', 'copy')


@pytest.mark.parametrize('specs', [mirrored.TRUE, {}], ids=['replicated', 'plain'])
@pytest.mark.parametrize('deleted', [0, 1], ids=SITES)
@pytest.mark.parametrize('wanted', [0, 1], ids=SITES)
def test_what_is_purged_is_on_no_cluster(driver, pools, fail_over, specs, deleted, wanted):
    if deleted:
        fail_over('second')
    volume = mirrored.volume(specs)
    volumes.stored(volume, driver.create_volume(volume))
    mirrored.carry(*pools)
    _trash(driver, pools, volume)
    if wanted != deleted:
        fail_over(SITES[wanted])
        pools[deleted].down = True
        with pytest.raises(exception.VolumeBackendAPIException, match='nobody is there'):
            driver.purge_trashed_volume(volume)
        pools[deleted].down = False
    for _attempt in range(2):
        driver.purge_trashed_volume(volume)
    assert [pool.images for pool in pools] == [{}, {}]


@pytest.mark.parametrize('in_trash', [False, True], ids=['deleted', 'trash'])
def test_a_plain_volume_is_where_the_back_end_has_left_it(driver, pools, fail_over, in_trash):
    volume = mirrored.volume()
    volumes.stored(volume, driver.create_volume(volume))
    fail_over('second')
    volumes.stored(volume, {'replication_status': 'not-capable',
                            'replication_driver_data': '{"left_on": "default"}'})
    if not in_trash:
        driver.delete_volume(volume)
        assert pools[0].images == {}
        return
    _trash(driver, pools, volume)
    assert _places(pools, volume) == ('trash', None)
    with pytest.raises(exception.InvalidVolume, match='on default and is not replicated.*second'):
        driver.restore_trashed_volume(volume)
    _trash(driver, pools, volume)
    fail_over('default')
    volumes.stored(volume, driver.restore_trashed_volume(volume))
    assert _places(pools, volume) == ('volume', None)
    assert (volume.replication_status, volume.replication_driver_data) == ('disabled', None)


@pytest.mark.parametrize('method', ['delete_volume', '_trash'])
def test_a_volume_that_did_not_fail_over_is_where_it_was(driver, pools, volume, fail_over, method):
    other = mirrored.volume(mirrored.TRUE)
    volumes.stored(other, driver.create_volume(other))
    mirrored.carry(*pools)
    pools[1].images[other.name].status = mirrored.MODULE.MIRROR_IMAGE_STATUS_STATE_SYNCING
    pools[0].down = True
    assert fail_over('second', volume, other) == 'second'
    assert other.replication_status == 'failover-error'
    pools[0].down = False
    if method == '_trash':
        _trash(driver, pools, other)
        assert _places(pools, other) == ('trash', None)
        driver.purge_trashed_volume(other)
    driver.delete_volume(other)
    mirrored.carry(*pools)
    assert _places(pools, other) == (None, None)


def test_the_cluster_of_a_deleted_volume_is_no_longer_configured(driver, pools, volume, fail_over):
    assert fail_over('second', volume) == 'second'
    _trash(driver, pools, volume)
    alone = rbd.RBDDriver(rbd_storage.options(rbd_user='cinder'))
    assert alone.trash_place(volume) is None
    with pytest.raises(exception.InvalidReplicationTarget, match='backend_id second'):
        alone.purge_trashed_volume(volume)
