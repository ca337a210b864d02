# SPDX-License-Identifier: Apache-2.0
"""Groups from the accepted request to files and rows: member by member, and by storage that keeps
groups itself."""
import pytest

from cinder import coordination, exception
from cinder.conf import CONF
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume.api import group_snapshots as group_snapshots_api
from cinder.volume.api import groups as groups_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.drivers import file
from tests.unit.volume.conftest import POOL


@pytest.fixture
def group(ctxt, manager):
    """An available group without volumes."""
    kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True})
    made = groups_db.create(ctxt, {
        'project_id': 'p1', 'status': 'available', 'host': POOL, 'availability_zone': 'nova',
        'replication_status': 'disabled'}, [types_db.default(ctxt).id], kind)
    return groups_db.get(ctxt, made.id)


@pytest.fixture
def member(ctxt, manager):
    """Make available volumes that hold a text."""
    def make(text, group_id=None):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'available', 'attach_status': 'detached',
            'host': POOL, 'volume_type_id': types_db.default(ctxt).id, 'group_id': group_id})
        manager.backend.driver.create_volume(made)
        write(manager, made, text)
        return volumes_db.get(ctxt, made.id)
    return make


@pytest.fixture
def run(ctxt, manager, sent):
    """Deliver the last message; the operation as it is then."""
    def deliver(resumed=False):
        operation = sent[-1][1]['operation']
        arguments = {'operation': operation} if resumed else sent[-1][1]
        manager.runner.handlers[operation.verb](ctxt, **arguments)
        return operations_db.get(ctxt, operation.id)
    return deliver


def write(manager, volume, text):
    with open(manager.backend.driver.local_path(volume), 'r+b') as stream:
        stream.write(text)


def read(folder, name):
    return (folder / name).open('rb').read(3)


def members(ctxt, group):
    return [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, group.id)]


def reasons(ctxt, resource):
    return [row['user_message'] for row in messages_db.list_rows(
        ctxt, filters={'resource_uuid': resource.id}).rows]


def break_driver(monkeypatch, manager, method, at):
    """Let the call number `at` of a driver's method fail."""
    real, calls = getattr(manager.backend.driver, method), []

    def broken(*args):
        calls.append(args)
        if len(calls) == at:
            raise exception.VolumeBackendAPIException(data='no')
        return real(*args)
    monkeypatch.setattr(manager.backend.driver, method, broken)


def test_a_placed_group_becomes_available(ctxt, manager, group, sent, run):
    groups_db.overwrite(ctxt, group.id, {'status': 'creating'})
    operation = operations_db.create(ctxt, 'group.create', groups_db.get(ctxt, group.id),
                                     host=manager.host)
    sent.append(('create_group', {'operation': operation}))
    assert run().state == 'done'
    assert groups_db.get(ctxt, group.id).status == 'available'


def test_members_come_and_go(ctxt, group, member, run):
    old, new = member(b'old', group.id), member(b'new')
    groups_api.update(ctxt, group, {}, add=[new.id], remove=[old.id])
    assert run().state == 'done'
    assert [volume.id for volume in members(ctxt, group)] == [new.id]
    assert groups_db.get(ctxt, group.id).status == 'available'


def test_a_group_goes_with_its_volumes(ctxt, manager, group, member, run, folder):
    kept = member(b'kep')
    for text in (b'one', b'two'):
        member(text, group.id)
    groups_api.delete(ctxt, group, delete_volumes=True)
    assert run().state == 'done'
    assert [path.name for path in folder.iterdir()] == [kept.name]
    assert [row['id'] for row in volumes_db.list_rows(ctxt).rows] == [kept.id]
    with pytest.raises(exception.GroupNotFound):
        groups_db.get(ctxt, group.id)


def test_a_volume_that_was_never_placed_goes_too(ctxt, group, member, run):
    volume = member(b'one', group.id)
    volumes_db.overwrite(ctxt, volume.id, {'host': None, 'status': 'creating'})
    groups_api.delete(ctxt, group, delete_volumes=True)
    assert run().state == 'done'
    assert volumes_db.list_rows(ctxt).rows == []


def test_a_failed_removal_is_told_for_each_and_can_be_asked_again(
        ctxt, manager, group, member, run, monkeypatch, folder):
    for text in (b'one', b'two'):
        member(text, group.id)
    groups_api.delete(ctxt, group, delete_volumes=True)
    break_driver(monkeypatch, manager, 'delete_volume', 2)
    assert run().state == 'failed'
    failed = groups_db.get(ctxt, group.id)
    assert failed.status == 'error'
    for each in (failed, *members(ctxt, group)):
        assert each.status == 'error'
        assert reasons(ctxt, each) == ['delete group:The storage back end reported an error.']
    groups_api.delete(ctxt, failed, delete_volumes=True)
    assert run().state == 'done'
    assert list(folder.iterdir()) == []


def test_a_group_snapshot_is_taken_one_by_one_and_marked_so(ctxt, group, member, run, manager,
                                                            folder):
    volumes = [member(text, group.id) for text in (b'one', b'two')]
    taken = group_snapshots_api.create(ctxt, group)
    assert run().state == 'done'
    assert group_snapshots_db.get(ctxt, taken.id).status == 'available'
    for volume, text in zip(volumes, (b'one', b'two'), strict=True):
        write(manager, volume, b'xxx')
        row, = snapshots_db.list_rows(ctxt, filters={'volume_id': volume.id}).rows
        assert (row['status'], row['progress']) == ('available', '100%')
        assert row['metadata'] == {'consistent_group_snapshot': 'False'}
        assert read(folder, f'snapshot-{row["id"]}') == text


def test_groups_are_made_from_groups_and_their_snapshots(ctxt, group, member, run, manager,
                                                         folder):
    volume = member(b'old', group.id)
    taken = group_snapshots_api.create(ctxt, group)
    run()
    write(manager, volume, b'new')
    of_group = groups_api.copy_group(ctxt, group)
    assert run().state == 'done'
    of_snapshot = groups_api.copy_group_snapshot(ctxt, group_snapshots_db.get(ctxt, taken.id))
    assert run(resumed=True).state == 'done'
    for copy, text in ((of_group, b'new'), (of_snapshot, b'old')):
        made, = members(ctxt, copy)
        assert (made.status, groups_db.get(ctxt, copy.id).status) == ('available', 'available')
        assert made.launched_at is not None
        assert read(folder, made.name) == text


def test_a_volume_that_waits_for_a_copy_is_none_of_its_copies(ctxt, group, member, run, sent):
    member(b'one', group.id)
    copy = groups_api.copy_group(ctxt, group)
    message = sent[-1]
    waiting = volumes_api.create(ctxt, size=1, volume_type=types_db.default(ctxt), group=copy)
    sent.append(message)
    assert run().state == 'done'
    assert groups_db.get(ctxt, copy.id).status == 'available'
    found = {volume.id: (volume.status, volume.host) for volume in members(ctxt, copy)}
    assert found.pop(waiting.id) == ('creating', None)
    assert list(found.values()) == [('available', POOL)]


def test_a_group_snapshot_goes_with_its_snapshots(ctxt, group, member, run, folder):
    volume = member(b'one', group.id)
    taken = group_snapshots_api.create(ctxt, group)
    run()
    group_snapshots_api.delete(ctxt, group_snapshots_db.get(ctxt, taken.id))
    assert run().state == 'done'
    assert [path.name for path in folder.iterdir()] == [volume.name]
    assert snapshots_db.for_volume(ctxt, volume.id) == []
    with pytest.raises(exception.GroupSnapshotNotFound):
        group_snapshots_db.get(ctxt, taken.id)


def test_a_group_snapshot_that_fails_halfway_fails_whole(ctxt, manager, group, member, run,
                                                         monkeypatch):
    for text in (b'one', b'two'):
        member(text, group.id)
    taken = group_snapshots_api.create(ctxt, group)
    break_driver(monkeypatch, manager, 'create_snapshot', 2)
    assert run().state == 'failed'
    assert group_snapshots_db.get(ctxt, taken.id).status == 'error'
    rows = snapshots_db.list_rows(ctxt).rows
    assert [row['status'] for row in rows] == ['error', 'error']
    assert len(messages_db.list_rows(ctxt).rows) == 3


def test_a_copy_that_is_interrupted_too_often_leaves_nothing_under_way(ctxt, manager, group,
                                                                       member, run, sent):
    member(b'one', group.id)
    copy = groups_api.copy_group(ctxt, group)
    CONF.set_override('operation_max_attempts', 1)
    operation = sent[-1][1]['operation']
    manager.runner.claim(ctxt, operation)
    operations_db.release(ctxt, operation)
    assert run().state == 'failed'
    assert groups_db.get(ctxt, copy.id).status == 'error'
    assert [volume.status for volume in members(ctxt, copy)] == ['error']


def test_a_duplicate_message_changes_nothing(ctxt, manager, group, member, run, sent):
    member(b'one', group.id)
    groups_api.copy_group(ctxt, group)
    late = operations_db.get(ctxt, sent[-1][1]['operation'].id)
    run()
    before = volumes_db.list_rows(ctxt, detail=True).rows
    manager.runner.handlers['group.copy'](ctxt, late)
    assert volumes_db.list_rows(ctxt, detail=True).rows == before


class GroupDriver(file.FileVolumeDriver, driver_api.Groups):
    """Keeps groups itself; notes what it is asked for."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = []

    def create_group(self, group):
        self.asked.append('create_group')

    def update_group(self, group, added, removed):
        self.asked.append(('update_group', len(added), len(removed)))
        raise exception.VolumeBackendAPIException(data='not these')

    def delete_group(self, group, volumes):
        self.asked.append(('delete_group', len(volumes)))
        assert all(is_locked(volume.id) for volume in volumes)

    def copy_group(self, group, sources):
        self.asked.append('copy_group')
        return {volume.id: {'provider_id': source.id} for volume, source in sources}

    def create_group_snapshot(self, group_snapshot, snapshots):
        assert all(is_locked(snapshot.volume_id) for snapshot in snapshots)
        return {snapshot.id: {'provider_id': 'here'} for snapshot in snapshots}

    def delete_group_snapshot(self, group_snapshot, snapshots):
        self.asked.append(('delete_group_snapshot', len(snapshots)))


def is_locked(volume_id):
    """Whether other work on the volume is kept away."""
    try:
        with coordination.lock(f'volume-{volume_id}', timeout=0.01):
            return False
    except exception.LockCreationFailed:
        return True


class TestStorageThatKeepsGroups:
    @pytest.fixture
    def conf(self, conf):
        CONF.set_override('volume_driver', f'{__name__}.GroupDriver', 'backend_defaults')
        return conf

    def test_its_own_ways_are_used(self, ctxt, manager, group, member, run):
        volume = member(b'one', group.id)
        assert manager.backend.capabilities()['consistent_group_snapshot_enabled'] is True
        taken = group_snapshots_api.create(ctxt, group)
        run()
        snapshot, = snapshots_db.for_volume(ctxt, volume.id)
        assert (snapshot.provider_id, snapshots_db.get_row(ctxt, snapshot.id)['metadata']) == (
            'here', {})
        copy = groups_api.copy_group(ctxt, group)
        run()
        assert [made.provider_id for made in members(ctxt, copy)] == [volume.id]
        group_snapshots_api.delete(ctxt, group_snapshots_db.get(ctxt, taken.id))
        run()
        groups_api.delete(ctxt, group, delete_volumes=True)
        assert run().state == 'done'
        assert manager.backend.driver.asked == [
            'copy_group', ('delete_group_snapshot', 1), ('delete_group', 1)]

    def test_volumes_that_it_refuses_do_not_stay(self, ctxt, manager, group, member, run):
        volume = member(b'one')
        groups_api.update(ctxt, group, {}, add=[volume.id])
        assert run().state == 'failed'
        assert groups_db.get(ctxt, group.id).status == 'error'
        assert volumes_db.get(ctxt, volume.id).group_id is None


@pytest.mark.parametrize('native', [False, True])
def test_members_are_notified_of_with_their_rows(ctxt, manager, group, member, run, told, native,
                                                 monkeypatch):
    """Once, whether the rows of members are deleted one by one or together."""
    if native:
        manager.backend.driver.__class__, manager.backend.driver.asked = GroupDriver, []
    for text in (b'one', b'two'):
        member(text, group.id)
    snapshot = group_snapshots_api.create(ctxt, group)
    run()
    group_snapshots_api.delete(ctxt, group_snapshots_db.get(ctxt, snapshot.id))
    run()
    groups_api.delete(ctxt, groups_db.get(ctxt, group.id), delete_volumes=True)
    run()
    for verb, kind, part in (('create', 'group_snapshot', 'snapshot'),
                             ('delete', 'group_snapshot', 'snapshot'),
                             ('delete', 'group', 'volume')):
        events, told.events[:6] = told.types[:6], []
        assert sorted(events) == sorted([
            *(f'{kind}.{verb}.{phase}' for phase in ('start', 'end')),
            *2 * [f'{part}.{verb}.{phase}' for phase in ('start', 'end')]])
        assert (events[0], events[-1]) == (f'{kind}.{verb}.start', f'{kind}.{verb}.end')
    assert told.events == []
