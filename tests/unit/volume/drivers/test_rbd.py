# SPDX-License-Identifier: Apache-2.0
"""RBDDriver without a cluster: the contract of drivers, and each operation that fails at each of
its calls and is repeated. tests/functional/test_ceph.py has what needs a real cluster."""
import errno
import re

import pytest

from cinder import exception
from cinder.brick.ceph import bindings, calls, cluster, trash
from cinder.volume.drivers import rbd, rbd_report
from tests import rbd_operation, rbd_storage
from tests.fakes import librbd, volumes
from tests.rbd_operation import Operation
from tests.unit.volume import driver_contract as contract
from tests.unit.volume.trash_contract import KeepsTrashContract


@pytest.fixture
def ceph(monkeypatch):
    made = librbd.Cluster('rbd', 'other')
    monkeypatch.setattr(bindings, 'loaded', made.bindings())
    monkeypatch.setattr(cluster, '_clusters', {})
    return made


@pytest.fixture
def storage(ceph):
    return rbd_storage.RBDStorage()


class TestRBDDriver(contract.VolumeDriverContract, contract.ClonesVolumesContract,
                    contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
                    contract.ManagesSnapshotsContract, KeepsTrashContract):
    """The contract."""


def made_by(name):
    """The names of the calls of an operation, as they come; several have several."""
    with pytest.MonkeyPatch.context() as patch:
        ceph = librbd.Cluster('rbd')
        patch.setattr(bindings, 'loaded', ceph.bindings())
        patch.setattr(cluster, '_clusters', {})
        operation = Operation(rbd_storage.RBDStorage()).prepare()
        with calls.counted() as made:
            getattr(operation, name)()
        return sorted(call for call in made if call != 'Image'), operation.state()


CASES = [(name, call, done) for name in rbd_operation.NAMES for call in made_by(name)[0]
         for done in (False, True)]
EXPECTED = {name: made_by(name)[1] for name in rbd_operation.NAMES}


@pytest.mark.parametrize('name', rbd_operation.NAMES)
def test_no_operation_lists_the_pool(name):
    assert not rbd_storage.LISTS & set(made_by(name)[0])


def test_no_report_lists_a_pool_of_our_own(ceph):
    storage = rbd_storage.RBDStorage(rbd_exclusive_cinder_pool=True)
    with calls.counted() as made:
        storage.driver.get_volume_stats(refresh=True)
    assert dict(made) == {'mon df': 1}


@pytest.mark.parametrize(('larger', 'wanted'), [(-1, 0), (0, 0), (2, 2)])
def test_librbd_has_no_clone_to_refuse(storage, ceph, larger, wanted):
    """Objects of a clone are not smaller than those of its parent."""
    driver, volume, copy = storage.driver, volumes.volume(), volumes.volume()
    driver.create_volume(volume)
    source = ceph.pools['rbd'].find(volume.name)
    usual = source.order
    source.order += larger
    with calls.counted() as made:
        driver.create_cloned_volume(copy, volume)
    assert made['RBD.clone'] == 1
    assert ceph.pools['rbd'].find(copy.name).order == usual + wanted


@pytest.mark.parametrize(('name', 'call', 'done'), CASES)
def test_an_operation_whose_call_times_out_is_repeated(storage, ceph, name, call, done):
    """The time is over before the cluster has done it, or after that."""
    operation = Operation(storage).prepare()
    ceph.faults[call] = errno.ETIMEDOUT, done
    with pytest.raises(exception.BackendUnresponsive):
        getattr(operation, name)()
    assert not ceph.faults
    getattr(operation, name)()
    # What is left in the trash is removed later.
    operation.purge()
    assert operation.state() == EXPECTED[name]
    assert not any(image.open for image in ceph.pools['rbd'].images.values())


@pytest.mark.parametrize(('number', 'error'), [
    (errno.ETIMEDOUT, exception.BackendUnresponsive),
    (errno.EDQUOT, exception.InsufficientFreeSpace),
    (errno.ENOSPC, exception.InsufficientFreeSpace),
    (errno.EBUSY, exception.VolumeIsBusy), (errno.EROFS, exception.VolumeIsBusy),
    (errno.EPERM, exception.VolumeBackendAPIException),
    (errno.EIO, exception.VolumeBackendAPIException)])
def test_errors_of_ceph_are_those_of_a_back_end(storage, ceph, number, error):
    ceph.faults['RBD.create'] = number, False
    with pytest.raises(error, match='create_volume: RBD.create: .errno') as failed:
        storage.volume()
    assert type(failed.value) is error


@pytest.mark.parametrize(('name', 'call', 'number'), [
    ('clone_volume', 'RBD.remove', errno.EBUSY), ('from_snapshot', 'RBD.remove', errno.EBUSY),
    ('revert', 'Image.rollback_to_snap', errno.EROFS)])
def test_what_a_killed_process_has_open_is_waited_for(storage, ceph, name, call, number):
    """The repetition removes a part of a clone, or needs the lock of the image."""
    operation = Operation(storage).prepare()
    if call == 'RBD.remove':
        storage.driver.run(lambda pool: pool.rbd('create', operation.new.name, 2 ** 30, 22))
    ceph.faults[call] = number, False
    with pytest.raises(exception.VolumeIsBusy) as failed:
        getattr(operation, name)()
    assert failed.value.kwargs['passes_within'] == trash.WATCH_TIMEOUT
    getattr(operation, name)()
    assert operation.state() == EXPECTED[name]


@pytest.mark.parametrize('cloned', [False, True])
def test_an_interrupted_removal_of_a_snapshot_is_finished(storage, ceph, cloned):
    """librbd was killed when it had renamed the snapshot; one with clones stays like that."""
    volume, clone = storage.volume(), volumes.volume()
    snapshot = storage.snapshot(volume)
    if cloned:
        storage.driver.create_volume_from_snapshot(clone, snapshot)
    kept, = ceph.pools['rbd'].find(volume.name).snapshots
    kept |= {'namespace': librbd.TRASH, 'trash': {'original_name': snapshot.name}, 'name': 'x'}
    for _attempt in range(2):
        storage.driver.delete_snapshot(snapshot)
        assert len(ceph.pools['rbd'].find(volume.name).snapshots) == cloned


def test_what_the_mirror_daemon_has_left_goes_with_the_volume(storage, ceph):
    """It copies an image from a snapshot, and may be stopped before it removes that."""
    volume = storage.volume()

    def leave(pool):
        with pool.image(volume.name) as image:
            image.create_snap('.rbd-mirror.57576faf-dfdb-4fbe-b27d-e0af6ce6bdd5.be936f74')
    storage.driver.run(leave)
    assert storage.driver.get_manageable_snapshots([volume], []) == []
    storage.driver.delete_volume(volume)
    assert storage.names() == []


def test_a_passing_snapshot_that_is_removed_late_is_made_again(storage, ceph):
    """A process was killed when the cluster had its request, and had not carried it out yet."""
    operation = Operation(storage).prepare()
    ceph.faults['RBD.clone'] = errno.ENOENT, False
    operation.clone_volume()
    assert operation.state() == EXPECTED['clone_volume']


@pytest.mark.parametrize(('name', 'snapshot'), [
    ('take_snapshot', lambda operation: operation.taken.name),
    ('clone_volume', lambda operation: operation.new.name + rbd.PASSING)], ids=['kept', 'passing'])
def test_a_snapshot_that_was_half_made_is_made_again(storage, ceph, name, snapshot):
    operation = Operation(storage).prepare()
    source = ceph.pools['rbd'].find(operation.source.name)
    librbd.Image(storage.driver.run(lambda pool: pool.ioctx), source.name).create_snap(
        snapshot(operation))
    source.snapshots[-1]['has_map'] = False
    getattr(operation, name)()
    assert operation.state() == EXPECTED[name]
    assert all(each['has_map'] for each in source.snapshots)


@pytest.mark.parametrize(('name', 'call'), [
    ('create', 'RBD.create'), ('from_snapshot', 'RBD.clone'), ('clone_volume', 'RBD.clone')])
def test_an_image_whose_id_exists_gets_another_one(storage, ceph, name, call):
    """librbd makes ids by chance."""
    operation = Operation(storage).prepare()
    ceph.faults[call] = errno.EBADF, False
    getattr(operation, name)()
    assert not ceph.faults
    assert operation.state() == EXPECTED[name]


def test_a_time_out_in_a_full_pool_is_told_as_that(storage, ceph):
    ceph.flags['rbd'], ceph.quota = 'hashpspool,full,full_quota', 2 ** 30
    ceph.faults['RBD.create'] = errno.ETIMEDOUT, False
    with pytest.raises(exception.InsufficientFreeSpace, match='quota of pool rbd is reached: 1073'):
        storage.volume()


def test_a_lost_connection_is_made_again_and_the_work_repeated(storage, ceph):
    ceph.faults['RBD.create'] = errno.ESHUTDOWN, False
    before = ceph.connections
    assert storage.size(storage.volume()) == 1
    assert ceph.connections == before + 1


def test_a_cluster_that_is_away_when_it_is_connected_to_is_tried_later(ceph, monkeypatch):
    monkeypatch.setattr(cluster.time, 'sleep', lambda _seconds: None)
    storage = rbd_storage.RBDStorage(rados_connection_retries=0)
    storage.driver.ceph.close()
    ceph.faults['Rados.connect'] = errno.ETIMEDOUT, False
    with pytest.raises(exception.BackendUnresponsive, match='no connection to the Ceph cluster'):
        storage.volume()


def test_a_part_of_an_image_is_removed_and_made_again(storage, ceph, monkeypatch):
    """As after a kill in the midst of a clone: an image without its parent, which reads zeros."""
    operation = Operation(storage).prepare()
    storage.driver.run(lambda pool: pool.rbd('create', operation.new.name, 2 ** 30, 22))
    operation.from_snapshot()
    assert operation.state() == EXPECTED['from_snapshot']


@pytest.mark.parametrize('value', [3, 12])
def test_objects_have_a_power_of_two(ceph, value):
    with pytest.raises(exception.InvalidConfigurationValue, match='rbd_store_chunk_size'):
        rbd_storage.driver(rbd_store_chunk_size=value)


def test_a_chunk_is_the_size_of_an_object(ceph):
    assert rbd_storage.driver(rbd_store_chunk_size=8).order == 23


def test_without_the_bindings_the_start_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(bindings, 'loaded', None)
    monkeypatch.setitem(__import__('sys').modules, 'rados', None)
    monkeypatch.setattr(cluster, '_clusters', {})
    with pytest.raises(exception.VolumeBackendAPIException,
                       match='install python3-rados and python3-rbd') as failed:
        rbd_storage.driver()
    assert '\n' not in str(failed.value)


@pytest.mark.parametrize(('depth', 'independent'), [(0, True), (1, True), (2, False)])
def test_a_clone_of_a_clone_is_flattened_at_the_depth_that_is_set(ceph, depth, independent):
    storage = rbd_storage.RBDStorage(rbd_max_clone_depth=depth)
    chain = [storage.volume(data=contract.ONE), volumes.volume(), volumes.volume()]
    for source, clone in zip(chain, chain[1:], strict=False):
        storage.driver.create_cloned_volume(clone, source)
    image = ceph.pools['rbd'].find(chain[-1].name)
    assert (image.parent is None) == independent
    assert storage.read(chain[-1], 3) == b'one'


@pytest.mark.parametrize('options', [{'rbd_max_clone_depth': 0},
                                     {'rbd_flatten_volume_from_snapshot': True}], ids=repr)
def test_clones_that_copy_are_bulk_work(ceph, options):
    assert 'volume.clone' in rbd_storage.driver(**options).bulk_verbs
    assert 'volume.clone' not in rbd_storage.driver().bulk_verbs


def test_the_trash_is_looked_at_once_in_an_interval_and_kept_images_less_often(
        ceph, storage, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(rbd.time, 'monotonic', lambda: now[0])
    source, clone = storage.volume(), volumes.volume()
    storage.driver.create_cloned_volume(clone, source)
    storage.driver.delete_volume(source)
    looked = []
    for _number in range(20):
        with calls.counted() as made:
            storage.driver.purge_deleted()
        looked.append(f'{made["RBD.trash_list"]}{made["RBD.trash_remove"]}')
        now[0] += 30
    assert looked[1::2] == ['00'] * 10
    assert [index for index, each in enumerate(looked) if each == '11'] == [0, 2, 6, 14]


def test_an_image_that_others_moved_to_the_trash_stays(ceph, storage):
    storage.foreign('theirs', 1)
    storage.driver.run(lambda pool: pool.rbd('trash_move', 'theirs', 0))
    storage.driver.purge_deleted()
    assert storage.names() == ['trash theirs']


def test_health_is_one_small_request(ceph, storage):
    with calls.counted() as made:
        storage.driver.check_health(5)
    assert dict(made) == {'Ioctx.stat': 1}
    ceph.faults['Ioctx.stat'] = errno.EIO, False
    with pytest.raises(exception.VolumeBackendAPIException, match='Ioctx.stat'):
        storage.driver.check_health(5)


def test_a_pool_that_does_not_answer_is_told_in_time(storage, monkeypatch):
    import threading
    held = threading.Event()
    monkeypatch.setattr(rbd_report, 'touch', lambda _pool: held.wait(10))
    for _attempt in range(2):
        with pytest.raises(exception.BackendUnresponsive, match='within 0.01 s'):
            storage.driver.check_health(0.01)
    held.set()


DF = {'stats': {'total_bytes': 1000}, 'pools': [
    {'name': 'other', 'stats': {'stored': 9, 'max_avail': 9, 'quota_bytes': 9}},
    {'name': 'mine', 'stats': {'stored': 100, 'max_avail': 400, 'quota_bytes': 0}}]}


@pytest.mark.parametrize(('quota', 'dynamic', 'expected'), [
    (0, True, (500, 400, 100)), (0, False, (1000, 400, 100)), (300, True, (300, 200, 100)),
    (300, False, (300, 200, 100)), (50, True, (100, 0, 100)), (2000, False, (2000, 400, 100))])
def test_capacity(quota, dynamic, expected):
    pools = [DF['pools'][0], {'name': 'mine', 'stats': {
        **DF['pools'][1]['stats'], 'quota_bytes': quota}}]
    for names in (('mine',), ('mine', 'mine')):
        assert rbd_report.capacity({**DF, 'pools': pools}, names, dynamic) == expected


@pytest.mark.parametrize(('quota', 'dynamic', 'expected'), [
    (0, True, (509, 400, 109)), (300, True, (309, 200, 109)), (300, False, (300, 200, 109))])
def test_the_data_of_images_may_be_in_another_pool(quota, dynamic, expected):
    pools = [DF['pools'][0], {'name': 'mine', 'stats': {
        **DF['pools'][1]['stats'], 'quota_bytes': quota}}]
    assert rbd_report.capacity({**DF, 'pools': pools}, ('mine', 'other'), dynamic) == expected


@pytest.mark.parametrize(('conf', 'said'), [
    ({'features': '0'}, 'rbd_default_features = 0 in Ceph lacks layering (1), without'),
    ({'features': '4'}, 'lacks layering'),
    ({'features': '9'}, 'has object-map (8) without exclusive-lock (4), which it needs: add that'),
    ({'features': '21'}, 'has fast-diff (16) without object-map (8)'),
    ({'features': '65'}, 'has journaling (64) without exclusive-lock (4)'),
    ({'stripe_unit': '65536'}, 'rbd_default_stripe_unit = 65536 and rbd_default_stripe_count = 0'),
    ({'stripe_count': '4'}, 'expected neither, or a unit that divides 4194304 bytes, and a count'),
    ({'stripe_unit': '65537', 'stripe_count': '4'}, 'do not fit rbd_store_chunk_size = 4'),
    ({'stripe_unit': '8388608', 'stripe_count': '4'}, 'do not fit rbd_store_chunk_size = 4'),
    ({'data_pool': 'nothing'}, 'no pool nothing')], ids=str)
def test_images_that_librbd_would_refuse_are_refused_at_the_start(ceph, conf, said):
    ceph.conf |= {f'rbd_default_{name}': value for name, value in conf.items()}
    with pytest.raises(exception.VolumeBackendAPIException, match=re.escape(said)) as failed:
        rbd_storage.driver()
    assert '\n' not in str(failed.value)


@pytest.mark.parametrize('conf', [
    {'features': '1'}, {'features': '5'}, {'features': '125'},
    {'stripe_unit': '65536', 'stripe_count': '4'}, {'data_pool': 'other'}], ids=str)
def test_features_and_striping_are_those_of_ceph(ceph, conf):
    ceph.conf |= {f'rbd_default_{name}': value for name, value in conf.items()}
    rbd_storage.driver().get_volume_stats(refresh=True)


def test_a_pool_that_is_not_there_is_named(ceph):
    with pytest.raises(exception.VolumeBackendAPIException, match='no pool nothing'):
        rbd_storage.driver(rbd_pool='nothing').get_volume_stats(refresh=True)


@pytest.mark.parametrize(('names', 'said'), [
    ('layering,striping,fancy', 'rbd_features has fancy, striping, which cannot be chosen'),
    ('exclusive-lock', 'rbd_features = exclusive-lock lacks layering (1), without which'),
    ('layering,object-map', 'has object-map (8) without exclusive-lock (4), which it needs'),
    ('layering,exclusive-lock,fast-diff', 'has fast-diff (16) without object-map (8)'),
    ('layering,journaling', 'has journaling (64) without exclusive-lock (4)')])
def test_an_option_that_librbd_would_refuse_is_refused_at_the_start(ceph, names, said):
    with pytest.raises(exception.VolumeBackendAPIException, match=re.escape(said)) as failed:
        rbd_storage.driver(rbd_features=names.split(','))
    assert '\n' not in str(failed.value)


@pytest.mark.parametrize(('names', 'default', 'number'), [
    ([], '61', None), (['layering'], '0', 1), (['layering', 'exclusive-lock', 'layering'], '9', 5)])
def test_new_images_have_the_features_of_the_option(ceph, names, default, number):
    """If it is set, what Ceph has as default does not matter."""
    ceph.conf['rbd_default_features'] = default
    storage = rbd_storage.RBDStorage(rbd_features=names)
    source = storage.volume()
    snapshot = volumes.snapshot(source)
    storage.driver.create_snapshot(snapshot)
    storage.driver.create_volume_from_snapshot(volumes.volume(), snapshot)
    storage.driver.create_cloned_volume(volumes.volume(), source)
    assert [image.features for image in ceph.pools['rbd'].images.values()] == [number] * 3
