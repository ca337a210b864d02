# SPDX-License-Identifier: Apache-2.0
"""Mirroring of RBD: what types ask for, and the way of volumes from one cluster to another and
back, whatever interrupts it, without the loss of a byte that was acknowledged."""
import json
import types

import pytest

from cinder import exception
from cinder.brick.ceph import mirror
from cinder.volume.drivers import rbd, rbd_sites
from tests import rbd_storage
from tests.fakes import mirrored, volumes


# ---------------------------------------------------------------------------------------- types
@pytest.mark.parametrize(('specs', 'found'), [
    ({}, None), ({'replication_enabled': '<is> False'}, None),
    (mirrored.TRUE, rbd_sites.Mirror('journal')),
    (mirrored.TRUE | {'rbd:mirror_mode': 'snapshot'}, rbd_sites.Mirror('snapshot', '5m')),
    (mirrored.TRUE | {'rbd:mirror_mode': 'snapshot', 'rbd:mirror_snapshot_interval': '2h'},
     rbd_sites.Mirror('snapshot', '2h'))])
def test_what_a_type_asks_for(specs, found):
    assert rbd_sites.wanted(types.SimpleNamespace(extra_specs=specs)) == found


@pytest.mark.parametrize(('specs', 'words'), [
    ({'rbd:mirror_mode': 'both'}, 'expected journal or snapshot'),
    ({'rbd:mirror_mode': 'snapshot', 'rbd:mirror_snapshot_interval': '5'}, 'such as 5m'),
    ({'rbd:mirror_snapshot_interval': '5m'}, 'needs rbd:mirror_mode = snapshot')])
def test_a_type_that_asks_for_something_else_is_refused(driver, specs, words):
    with pytest.raises(exception.InvalidInput, match=words):
        driver.create_volume(mirrored.volume(mirrored.TRUE | specs))


def test_a_type_that_nothing_can_satisfy_is_refused(pools):
    alone = rbd.RBDDriver(rbd_storage.options())
    assert not alone.replicates and alone.create_volume(mirrored.volume()) is None
    assert alone.replication_report() == {'replication_enabled': False}
    with pytest.raises(exception.InvalidInput, match='no replication_device'):
        alone.create_volume(mirrored.volume(mirrored.TRUE))
    with pytest.raises(exception.InvalidReplicationTarget, match='no replication_device'):
        alone.failover_host([], None)


def test_a_retype_switches_the_mirror(driver, pools, volume):
    image = pools[0].images[volume.name]
    kinds = [volumes.VolumeType('kind', extra_specs=specs) for specs in (
        mirrored.TRUE | {'rbd:mirror_mode': 'snapshot'}, {}, {}, mirrored.TRUE)]
    for kind, enabled, journal, interval in zip(kinds, (True, False, False, True), (0, 0, 0, 64),
                                                ('5m', None, None, None), strict=True):
        volumes.stored(volume, driver.retype(volume, kind))
        assert (image.enabled, image.bits & 64) == (enabled, journal)
        assert pools[0].schedules[f'volumes/{volume.name}'] == interval
        assert volume.replication_status == ('enabled' if enabled else 'disabled')
    assert json.loads(volume.replication_driver_data)['mode'] == 'journal'
    assert driver.create_volume(mirrored.volume()) == {'replication_status': 'disabled'}


def test_a_copy_of_a_group_is_mirrored_too(driver, pools, monkeypatch):
    monkeypatch.setattr(driver, '_clone_together', lambda _name, pairs: [
        pools[0].rbd('create', volume.name) for volume, _source in pairs])
    copies = [mirrored.volume(specs, snapshot_id=None) for specs in (mirrored.TRUE, {})]
    made = driver.copy_group(volumes.volume(), [(each, volumes.volume()) for each in copies])
    assert [made[each.id]['replication_status'] for each in copies] == ['enabled', 'disabled']


def test_a_retype_of_a_volume_of_the_original_keeps_its_mirror(driver, pools, volume):
    volume.replication_driver_data = json.dumps({'had_journaling': True})
    before = pools[0].images[volume.name].log.copy()
    same = volumes.VolumeType('k', extra_specs=mirrored.TRUE)
    volumes.stored(volume, driver.retype(volume, same))
    assert pools[0].images[volume.name].log == before
    assert json.loads(volume.replication_driver_data)['had_journaling'] is True


# ------------------------------------------------------------------------------------- failover
def test_there_and_back(driver, pools, volume, fail_over):
    one, two = pools
    mirrored.write(one, volume, 'a')
    assert fail_over('second', volume) == driver.active_backend_id == 'second'
    assert (driver.site.pool, driver.site.settings.user, driver.site.secret_uuid) == (
        'mirrors', 'other', 's2')
    assert volume.replication_status == 'failed-over'
    mirrored.write(two, volume, 'b')
    assert two.images[volume.name].written == ['a', 'b']
    with pytest.raises(Exception, match='read-only'):
        mirrored.write(one, volume, 'lost')
    # What came back only now has not seen the changes since, although it was demoted itself.
    assert fail_over('default', volume, waits=1) == 'waits'
    mirrored.write(two, volume, 'c')
    assert fail_over('default', volume) is None
    assert one.images[volume.name].written == ['a', 'b', 'c']
    assert volume.replication_status == 'enabled' and driver.site.pool == 'rbd'


# Each call is in tests/functional/exhaustive/test_rbd_failovers.py.
@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('call', range(1, 40, 6))
def test_an_interrupted_failover_goes_on(pools, volume, fail_over, side, call):
    interrupt_failover(pools, volume, fail_over, side, call)


def interrupt_failover(pools, volume, fail_over, side, call):
    """Fail over, back and over, each time interrupted at the `call`-th call of a cluster."""
    for number, (target, here) in enumerate((('second', 0), ('default', 1), ('second', 0))):
        mirrored.write(pools[here], volume, number)
        pools[side].interrupts = call
        assert fail_over(target, volume, waits=20) in (None, 'second')
        pools[side].interrupts = 0
    assert pools[1].images[volume.name].written == [0, 1, 2]
    assert not pools[0].images[volume.name].primary


def test_a_primary_that_answers_at_the_second_attempt_is_not_lost(pools, volume, fail_over):
    pools[0].down = 1
    assert fail_over('second', volume) == 'second'
    assert not pools[0].images[volume.name].primary


def test_the_primary_is_lost_and_comes_back(driver, pools, volume, fail_over):
    one, two = pools
    mirrored.write(one, volume, 'a')
    mirrored.carry(*pools)
    mirrored.write(one, volume, 'not copied')
    one.down = True
    # The daemon waits for the primary with the lock of the copy.
    two.images[volume.name].held_by = '127.0.0.1:0/1'
    assert fail_over(None, volume) == 'second'
    mirrored.write(two, volume, 'b')
    one.down = False
    mirrored.carry(*pools)
    assert fail_over('default', volume) is None
    assert one.images[volume.name].written == ['a', 'b']
    assert [pool.images[volume.name].primary for pool in pools] == [True, False]


@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('call', range(1, 30, 6))
def test_an_interrupted_failback_to_a_lost_primary_goes_on(pools, volume, fail_over, side, call):
    interrupt_failback(pools, volume, fail_over, side, call)


def interrupt_failback(pools, volume, fail_over, side, call):
    """Fail over from a primary that is down, and back, interrupted at the `call`-th call."""
    one, two = pools
    mirrored.write(one, volume, 'not copied')
    one.down = True
    assert fail_over('second', volume) == 'second'
    mirrored.write(two, volume, 'a')
    one.down = False
    mirrored.carry(*pools)
    pools[side].interrupts = call
    assert fail_over('default', volume, waits=20) is None
    assert one.images[volume.name].written == ['a']


def test_a_copy_that_was_never_complete_is_not_used(driver, pools, volume, fail_over):
    absent = mirrored.volume(mirrored.TRUE)
    volumes.stored(absent, driver.create_volume(absent))
    pools[1].images[volume.name].status = mirrored.MODULE.MIRROR_IMAGE_STATUS_STATE_SYNCING
    pools[0].down = True
    assert fail_over('second', volume, absent) == 'second'
    assert (volume.replication_status, absent.replication_status) == ('failover-error',) * 2
    assert 'was not complete' in volume.replication_extended_status
    assert absent.replication_extended_status == 'second has no copy'
    # Once the operator has seen to it, the failover of the rest is asked for again.
    pools[1].images[volume.name].status = 4
    assert fail_over('second', volume, absent) == 'second'
    assert (volume.replication_status, absent.replication_status) == (
        'failed-over', 'failover-error')


def test_a_copy_that_does_not_follow_is_left_after_a_while(driver, pools, volume, fail_over):
    other = mirrored.volume(mirrored.TRUE)
    volumes.stored(other, driver.create_volume(other))
    mirrored.carry(*pools)
    pools[1].images[other.name].begins_anew = True
    with pytest.raises(exception.CopiesIncomplete) as waits:
        driver.failover_host([volume, other], 'second')
    assert waits.value.within == 120 and waits.value.what == 'complete copies on second'
    # Time goes by, and only one of the copies takes the mark over.
    pools[1].images[volume.name].log = list(pools[0].images[volume.name].log)
    with pytest.raises(exception.CopiesIncomplete) as waits:
        driver.failover_host([volume, other], 'second', False)
    assert waits.value.what == 'promotions on second'
    pools[1].images[volume.name].log.append(pools[0].images[volume.name].log[-1])
    pools[1].images[volume.name].follows = False
    active, made = driver.failover_host([volume, other], 'second', False)
    assert active == 'second'
    assert made[volume.id]['replication_status'] == 'failed-over'
    assert made[other.id]['replication_status'] == 'failover-error'
    assert pools[0].images[other.name].primary


def test_a_failback_without_copies_leaves_all_where_it_is(driver, pools, volume, fail_over):
    fail_over('second', volume)
    pools[0].images[volume.name].text = 'stopped'
    with pytest.raises(exception.CopiesIncomplete) as waits:
        driver.failover_host([volume], 'default')
    assert waits.value.within == 86400
    with pytest.raises(exception.UnableToFailOver, match='after 86400 s.*stopped'):
        driver.failover_host([volume], 'default', False)
    assert driver.active_backend_id == 'second' and pools[1].images[volume.name].primary


@pytest.mark.parametrize(('change', 'words'), [
    ({'down': True}, 'nobody is there'), ({'mode': 0}, 'rbd mirror pool enable volumes image'),
    ({'mode': 2}, 'mirrors all images'), ({'peers': []}, 'peer bootstrap')])
def test_a_cluster_that_cannot_take_over_is_refused(driver, pools, volume, change, words):
    vars(pools[1]).update(change)
    with pytest.raises(exception.UnableToFailOver, match=f'second: .*{words}'):
        driver.failover_host([volume], 'second')
    assert driver.active_backend_id is None and pools[0].images[volume.name].primary


def test_an_unknown_cluster_is_refused(driver, volume):
    with pytest.raises(exception.InvalidReplicationTarget, match='there are: default, second'):
        driver.failover_host([volume], 'third')


def test_mirror_snapshots_go_on_at_the_other_cluster(driver, pools, fail_over):
    volume = mirrored.volume(mirrored.TRUE | {'rbd:mirror_mode': 'snapshot'})
    volumes.stored(volume, driver.create_volume(volume))
    assert pools[0].schedules == {f'volumes/{volume.name}': '5m'}
    fail_over('second', volume)
    assert pools[1].schedules == {f'volumes/{volume.name}': '5m'}


# --------------------------------------------------------------------------------------- groups
def test_a_group_fails_over_without_the_rest(driver, pools, volume):
    one, two = pools
    group, member = volumes.volume(), mirrored.volume()
    volumes.stored(member, driver.create_volume(member))
    volumes.stored(member, driver.enable_replication(group, [member])[member.id])
    assert member.replication_status == 'enabled' and one.images[member.name].enabled
    shared = mirrored.volume(multiattach=True)
    with pytest.raises(exception.InvalidVolume, match='multiattach'):
        driver.enable_replication(group, [shared])

    def fail_over(target):
        while True:
            try:
                active, made = driver.failover_replication(group, [member], target)
            except exception.CopiesIncomplete:
                mirrored.carry(*pools)
                continue
            volumes.stored(member, made[member.id])
            return active
    assert fail_over('second') == 'second' and driver.active_backend_id is None
    assert [pool.images[member.name].primary for pool in pools] == [False, True]
    assert one.images[volume.name].primary
    # All that is done with the volume is done there.
    connections = [driver.initialize_connection(each, {})['data'] for each in (member, volume)]
    assert [each['secret_uuid'] for each in connections] == ['s2', 'fsid-one']
    assert driver.local_path(member) == (
        f'rbd:mirrors/{member.name}:id=other:conf=\\/second.conf:cluster=second')
    assert driver.site.backend_id == 'default'
    with pytest.raises(exception.InvalidVolume, match='on default and second: fail over'):
        driver.create_cloned_volume(mirrored.volume(), member)
    with pytest.raises(exception.InvalidVolume, match='it is on second'):
        driver.retype(member, volumes.VolumeType('kind'))
    with pytest.raises(exception.InvalidReplicationTarget, match='are on second already'):
        fail_over('second')
    assert fail_over('default') is None
    assert [pool.images[member.name].primary for pool in pools] == [True, False]
    assert json.loads(member.replication_driver_data)['site'] is None
    volumes.stored(member, driver.disable_replication(group, [member])[member.id])
    assert member.replication_status == 'disabled' and not one.images[member.name].enabled
    assert driver.replication_targets()[0]['backend_id'] == 'second'


def test_a_group_that_has_failed_over_follows_the_back_end(driver, pools, volume, fail_over):
    member = mirrored.volume(mirrored.TRUE)
    volumes.stored(member, driver.create_volume(member))
    mirrored.carry(*pools)
    for _attempt in range(3):
        try:
            made = driver.failover_replication(volumes.volume(), [member], 'second')[1]
        except exception.CopiesIncomplete:
            mirrored.carry(*pools)
    volumes.stored(member, made[member.id])
    assert json.loads(member.replication_driver_data)['site'] == 'second'
    assert fail_over('second', volume, member) == 'second'
    assert json.loads(member.replication_driver_data)['site'] is None
    assert [two.primary for two in pools[1].images.values()] == [True, True]


# ----------------------------------------------------------------------------------- the copies
@pytest.mark.parametrize(('told', 'reason'), [
    ({'remote_statuses': [{'state': 4, 'up': True, 'description': 'replaying'}]}, None),
    ({'remote_statuses': []}, 'has not reported'),
    ({'remote_statuses': [{'state': 4, 'up': False, 'description': ''}]}, 'does not run'),
    ({'remote_statuses': [{'state': 1, 'up': True, 'description': 'split-brain'}]}, 'split-brain'),
    ({'info': {'primary': False}}, None), ({'info': {}}, None)])
def test_what_is_wrong_with_copies(driver, pools, told, reason):
    pools[0].told = [{'name': 'x', 'info': {'primary': True}, **told}]
    found = driver.failing_copies()
    assert found == {} if reason is None else reason in found['x']


def test_a_demotion_that_was_interrupted_is_repeated(pools, volume):
    image = pools[0].images[volume.name]
    image.snapshots = [{'name': 'user'}, {'mirror': {'complete': True}}]
    for _attempt in range(2):
        pools[0].run(mirror.demote, volume.name)
        assert [kind for kind, _what in image.log] == ['demote']
    image.snapshots.append({'mirror': {'complete': False}})
    pools[0].run(mirror.demote, volume.name)
    assert [kind for kind, _what in image.log] == ['demote', 'promote', 'demote']


def test_the_mark_is_renewed(driver, pools, volume):
    marks = [pools[0].run(mirror.mark, volume.name, longest) for longest in (60, 60, -1)]
    assert marks[0] == marks[1] != marks[2]


# -------------------------------------------------------------------------------------- options
@pytest.mark.parametrize(('device', 'words'), [
    ({'conf': 'x'}, 'has no backend_id'), ({'backend_id': 'default'}, 'means the primary'),
    (mirrored.SECOND, 'has a backend_id that another'),
    ({'backend_id': 'x', 'usr': 'x'}, 'unknown key usr'),
    ({'backend_id': 'third', 'conf': '/no.conf'}, 'the file /no.conf cannot be read'),
    ({'backend_id': 'third'}, 'the file /etc/ceph/third.conf cannot be read')])
def test_wrong_options_are_told(device, words, tmp_path):
    conf = tmp_path / 'second.conf'
    conf.touch()
    devices = [mirrored.SECOND | {'conf': str(conf)}, device]
    found = rbd.RBDDriver.replication_problems(rbd_storage.options(replication_device=devices))
    assert len(found) == 1 and words in found[0]
