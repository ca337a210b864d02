# SPDX-License-Identifier: Apache-2.0
"""Operations on volumes, from the accepted request to bytes in files and back to the rows."""
import pytest

from cinder import exception, fault_points, operations
from cinder.db import journal
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.db import waiting as waiting_db
from cinder.rpc import notifications
from cinder.volume import manager as manager_package
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def accepted(ctxt, manager, sent):
    """Make volumes that are accepted and placed, but not made yet: (volume, operation)."""
    def make(**values):
        volume = volumes_api.create(ctxt, **{'size': 1, **values})
        operation = sent[-1][1]['operation']
        scheduler = operations.OperationRunner('s', 'schedule', {})
        scheduler.claim(ctxt, operation)
        volumes_db.update(ctxt, volume.id, {'host': POOL})
        operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
        return volumes_db.get(ctxt, volume.id), operation
    return make


@pytest.fixture
def volume(ctxt, manager, accepted):
    """An available volume of 1 GiB."""
    made, operation = accepted()
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    return volumes_db.get(ctxt, made.id)


def _run(ctxt, manager, sent):
    """Deliver the last message."""
    _method, arguments = sent[-1]
    manager.runner.handlers[arguments['operation'].verb](ctxt, **arguments)
    return operations_db.get(ctxt, arguments['operation'].id)


def test_a_created_volume_is_a_sparse_file(volume, folder):
    assert (volume.status, volume.availability_zone) == ('available', 'nova')
    assert volume.launched_at is not None
    assert (folder / volume.name).stat().st_size == 2 ** 30


def test_a_duplicate_message_changes_nothing(ctxt, manager, accepted, folder):
    made, operation = accepted()
    late = operations_db.get(ctxt, operation.id)
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    volumes_db.overwrite(ctxt, made.id, {'status': 'in-use'})
    manager.runner.handlers['volume.create'](ctxt, late, made)
    assert volumes_db.get(ctxt, made.id).status == 'in-use'


def test_delete_removes_file_and_row(ctxt, manager, sent, volume, folder, tmp_path):
    volumes_api.delete(ctxt, volume)
    assert _run(ctxt, manager, sent).state == 'done'
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.glob(f'*{volume.id}*'))
    with pytest.raises(exception.VolumeNotFound):
        volumes_db.get(ctxt, volume.id)


def test_delete_of_a_volume_that_was_never_placed_needs_no_back_end(ctxt, manager, sent):
    made = volumes_api.create(ctxt, size=1)
    sent.clear()
    volumes_api.delete(ctxt, made, force=True)
    assert sent == []
    assert journal.unfinished_for(ctxt, made.id) == []


def test_a_volume_that_is_open_for_a_moment_is_deleted_later(ctxt, manager, sent, volume,
                                                              monkeypatch):
    """As one whose user was killed: the storage notices that later."""
    busy = exception.VolumeIsBusy(volume_name='v', reason='open', passes_within=30)

    def refuse(_volume):
        raise busy
    waited = iter([0, 29, 31])
    monkeypatch.setattr(waiting_db, 'waited', lambda *_args: next(waited))
    monkeypatch.setattr(manager.backend.driver, 'delete_volume', refuse)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id))
    for _time in range(2):
        with pytest.raises(exception.NotYet):
            _run(ctxt, manager, sent)
        operation, = journal.unfinished_for(ctxt, volume.id)
        assert volumes_db.get(ctxt, volume.id).status == 'deleting'
        wake(ctxt, operation)
    assert _run(ctxt, manager, sent).state == 'failed'
    assert volumes_db.get(ctxt, volume.id).status == 'available'


@pytest.mark.parametrize(('error', 'status'), [
    (exception.VolumeBackendAPIException(data='broken'), 'error_deleting'),
    (exception.VolumeIsBusy(volume_name='v', reason='open'), 'available')])
def test_snapshots_of_a_cascade_that_fails_can_be_deleted_again(
        ctxt, manager, sent, volume, monkeypatch, error, status):
    made = []
    for _time in range(3):
        made.append(snapshots_api.create(ctxt, volumes_db.get(ctxt, volume.id)))
        _run(ctxt, manager, sent)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), cascade=True)
    left = iter([None, error])

    def broken(_snapshot):
        trouble = next(left)
        if trouble:
            raise trouble
    with monkeypatch.context() as patch:
        patch.setattr(manager.backend.driver, 'delete_snapshot', broken)
        assert _run(ctxt, manager, sent).state == 'failed'
    assert volumes_db.get(ctxt, volume.id).status == status
    rows = snapshots_db.for_volume(ctxt, volume.id)
    assert [row.status for row in rows] == ['error', 'error']
    told = {row['resource_uuid'] for row in messages_db.list_rows(ctxt).rows}
    assert {volume.id, *(row.id for row in rows)} <= told
    for row in rows:
        snapshots_api.delete(ctxt, snapshots_db.get(ctxt, row.id))
        assert _run(ctxt, manager, sent).state == 'done'


def test_cascade_takes_the_snapshots_along(ctxt, manager, sent, volume, folder, monkeypatch):
    for _ in range(2):
        snapshots_api.create(ctxt, volume)
        _run(ctxt, manager, sent)
    with pytest.raises(exception.InvalidVolume, match='snapshots'):
        volumes_api.delete(ctxt, volume)
    # Some drivers need the volume of a snapshot to find it.
    driver, of = manager.backend.driver, []
    delete = driver.delete_snapshot
    monkeypatch.setattr(driver, 'delete_snapshot', lambda snapshot: (
        of.append(snapshot.volume.id), delete(snapshot)))
    volumes_api.delete(ctxt, volume, cascade=True)
    _run(ctxt, manager, sent)
    assert list(folder.iterdir()) == [] and of == [volume.id] * 2


def test_extend_grows_file_and_row_and_frees_what_was_granted(ctxt, manager, sent, volume, folder):
    volumes_api.extend(ctxt, volume, 3)
    granted = volumes_db.get(ctxt, volume.id)
    assert (granted.size, granted.growth, granted.status) == (1, 2, 'extending')
    _run(ctxt, manager, sent)
    grown = volumes_db.get(ctxt, volume.id)
    assert (grown.size, grown.growth, grown.status) == (3, 0, 'available')
    assert (folder / volume.name).stat().st_size == 3 * 2 ** 30


def test_a_failed_extend_says_why_and_gives_the_grant_back(ctxt, manager, sent, volume, folder):
    (folder / volume.name).unlink()
    volumes_api.extend(ctxt, volume, 2)
    assert _run(ctxt, manager, sent).state == 'failed'
    failed = volumes_db.get(ctxt, volume.id)
    assert (failed.status, failed.growth, failed.size) == ('error_extending', 0, 1)
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    assert message['request_id'] == ctxt.request_id
    assert message['user_message'] == 'extend volume:The storage back end reported an error.'


def test_a_clone_and_a_volume_from_a_snapshot_hold_the_bytes(ctxt, manager, sent, volume, accepted,
                                                             folder):
    (folder / volume.name).open('r+b').write(b'written once')
    snapshot = snapshots_api.create(ctxt, volume)
    _run(ctxt, manager, sent)
    (folder / volume.name).open('r+b').write(b'changed data')
    for source, expected in (({'source_volume': volume}, b'changed data'),
                             ({'snapshot': snapshot}, b'written once')):
        made, operation = accepted(**source)
        manager.runner.handlers['volume.create'](ctxt, operation, made)
        assert volumes_db.get(ctxt, made.id).status == 'available'
        assert (folder / made.name).open('rb').read(12) == expected


def test_a_failed_creation_goes_back_to_the_scheduler(ctxt, manager, sent, accepted, monkeypatch):
    made, operation = accepted()
    monkeypatch.setattr(manager.backend.driver, 'create_volume', _broken)
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    again = operations_db.get(ctxt, operation.id)
    assert (again.stage, again.state, again.attempt) == ('schedule', 'queued', 0)
    assert again.arguments['tried'] == [
        {'backend': POOL, 'reason': 'The storage back end reported an error.'}]
    assert volumes_db.get(ctxt, made.id).host is None
    assert sent[-1][0] == 'create_volume'


def test_the_last_failed_creation_is_an_error_with_a_message(ctxt, manager, accepted, monkeypatch):
    made, operation = accepted()
    operation.arguments['tried'] = [{'backend': 'a', 'reason': ''}, {'backend': 'b', 'reason': ''}]
    monkeypatch.setattr(manager.backend.driver, 'create_volume', _broken)
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    assert volumes_db.get(ctxt, made.id).status == 'error'
    assert messages_db.list_rows(ctxt, filters={'resource_uuid': made.id}).rows


def _broken(*_args):
    raise exception.VolumeBackendAPIException(data='secret detail of the array')


def test_revert_brings_the_bytes_back(ctxt, manager, sent, volume, folder):
    (folder / volume.name).open('r+b').write(b'before')
    snapshot = snapshots_api.create(ctxt, volume)
    _run(ctxt, manager, sent)
    (folder / volume.name).open('r+b').write(b'after!')
    volume_actions.revert(ctxt, volume, snapshot.id)
    assert _run(ctxt, manager, sent).state == 'done'
    assert (folder / volume.name).open('rb').read(6) == b'before'
    assert volumes_db.get(ctxt, volume.id).status == 'available'


def test_retype_counts_for_the_new_type(ctxt, manager, sent, volume):
    other = types_db.create(ctxt, {'name': 'other', 'is_public': True})
    volume_actions.retype(ctxt, volume, types_db.get(ctxt, other.id))
    operation = sent[-1][1]['operation']
    operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
    operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
    _run(ctxt, manager, sent)
    retyped = volumes_db.get(ctxt, volume.id)
    assert (retyped.volume_type_id, retyped.status) == (other.id, 'available')


@pytest.mark.parametrize('point', ['volume.create:execute:claim:after',
                                   'volume.create:driver:before', 'volume.create:driver:after',
                                   'volume.create:finish:before'])
def test_a_process_that_died_is_followed_by_one_that_finishes(ctxt, manager, accepted, point,
                                                              monkeypatch):
    made, operation = accepted()

    def die(name):
        if name == point:
            raise KeyboardInterrupt

    monkeypatch.setattr(fault_points, 'reach', die)
    with pytest.raises(KeyboardInterrupt):
        manager.runner.handlers['volume.create'](ctxt, operation, made)
    monkeypatch.setattr(fault_points, 'reach', lambda name: None)
    assert volumes_db.get(ctxt, made.id).status == 'creating'
    follower = manager_package.VolumeManager(BACKEND)
    follower.init_host()
    assert follower.runner.poll() == 1
    follower.runner.wait()
    finished = operations_db.get(ctxt, operation.id)
    assert (finished.state, finished.attempt) == ('done', 2)
    assert volumes_db.get(ctxt, made.id).status == 'available'


def test_too_many_attempts_end_in_error(ctxt, manager, accepted):
    made, operation = accepted()
    for _ in range(3):
        operations_db.claim(ctxt, operation, 'elsewhere|1', -1)
    manager.runner.handlers['volume.create'](ctxt, operation)
    assert volumes_db.get(ctxt, made.id).status == 'error'
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': made.id}).rows
    assert 'interrupted 3 times' in message['user_message']


def test_a_forced_delete_wins_over_a_creation_under_way(ctxt, manager, sent, accepted, folder,
                                                        monkeypatch):
    made, operation = accepted()
    create = manager.backend.driver.create_volume

    def slow(volume):
        volumes_api.delete(ctxt, volume, force=True)
        return create(volume)

    monkeypatch.setattr(manager.backend.driver, 'create_volume', slow)
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    assert volumes_db.get(ctxt, made.id).status == 'deleting'
    _run(ctxt, manager, sent)
    assert list(folder.iterdir()) == []


def test_what_happens_is_told(ctxt, manager, accepted, sent, folder, monkeypatch):
    told = []
    monkeypatch.setattr(notifications, 'is_enabled', lambda: True)
    monkeypatch.setattr(notifications, 'notify', lambda ctxt, kind, event, resource, **changed:
                        told.append((event, changed.get('status'), changed.get('reason'))))
    made, operation = accepted()
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    volume = volumes_db.get(ctxt, made.id)
    volumes_api.extend(ctxt, volume, 2)
    _run(ctxt, manager, sent)
    (folder / volume.name).unlink()
    volumes_api.extend(ctxt, volumes_db.get(ctxt, volume.id), 3)
    _run(ctxt, manager, sent)
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    _run(ctxt, manager, sent)
    assert told == [
        ('volume.create.start', None, None), ('volume.create.end', 'available', None),
        ('volume.resize.start', None, None), ('volume.resize.end', 'available', None),
        ('volume.resize.start', None, None),
        ('volume.resize.error', 'error_extending', 'The storage back end reported an error.'),
        ('volume.delete.start', None, None), ('volume.delete.end', 'deleted', None)]


def test_the_bus_finds_who_does_what_the_journal_has(manager):
    """A message in a newer version than that of an endpoint is not for it; none does the work in a
    thread of the bus."""
    for verb in manager.runner.handlers:
        name = '_'.join(reversed(verb.split('.')))
        doers = [endpoint for endpoint in manager.additional_endpoints if hasattr(endpoint, name)]
        assert isinstance(doers[0], operations.Messages), verb
        assert doers[0].target.version == manager.RPC_API_VERSION
