# SPDX-License-Identifier: Apache-2.0
"""An operation under way, and a request that changes the attachments or the status meanwhile: what
was done on storage is in the row, quota counts what is there, and nothing stays under way."""
import pytest

from cinder import exception, operations
from cinder.cmd import quota_recount
from cinder.db import attachments as attachments_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import attachments as attachments_api
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from tests.unit.volume.conftest import BACKEND
from tests.unit.volume.manager.test_volumes import _run, accepted, volume  # noqa: F401

GIB = 2 ** 30


@pytest.fixture
def held(ctxt, volume):  # noqa: F811
    """The attachment of a server that has the volume."""
    made = attachments_api.create(ctxt, volume)
    attachments_api.complete(ctxt, made)
    return attachments_db.get(ctxt, made.id)


def _now(ctxt, volume):  # noqa: F811
    return volumes_db.get(ctxt, volume.id)


def _detach(ctxt, volume, held):  # noqa: F811
    attachments_api.delete_row(ctxt, _now(ctxt, volume), held)
    return 'available'


def _complete(ctxt, _volume, held):
    attachments_api.complete(ctxt, held)
    return 'in-use'


def _reset(ctxt, volume, _held):  # noqa: F811
    volumes_api.reset_status(ctxt, _now(ctxt, volume), status='error')
    return 'error'


def _nothing(_ctxt, _volume, _held):
    return 'in-use'


CHANGES = (_detach, _complete, _reset, _nothing)


@pytest.mark.parametrize('when', ['before', 'driver'])
@pytest.mark.parametrize('fails', [False, True])
@pytest.mark.parametrize('change', CHANGES)
def test_an_extension_and_what_happens_meanwhile(
        ctxt, manager, sent, volume, held, folder, monkeypatch, change, fails, when):  # noqa: F811
    volumes_api.extend(ctxt, _now(ctxt, volume), 5, attached_ok=True)
    real, seen = manager.backend.driver.extend_volume, []

    def extend(*args):
        if when == 'driver':
            seen.append(change(ctxt, volume, held))
        if fails:
            raise exception.VolumeBackendAPIException(data='broken')
        return real(*args)
    monkeypatch.setattr(manager.backend.driver, 'extend_volume', extend)
    if when == 'before':
        seen.append(change(ctxt, volume, held))
        if change in (_detach, _complete):
            assert _now(ctxt, volume).status == 'extending'
    row = _run(ctxt, manager, sent)
    end = _now(ctxt, volume)
    size = 1 if fails else 5
    assert (end.size, end.growth) == (size, 0)
    assert (folder / end.name).stat().st_size == size * GIB
    assert end.status == ('error_extending' if fails and change is not _reset else seen[0])
    assert end.attach_status == ('detached' if change is _detach else 'attached')
    assert quota_recount.differences(ctxt) == []
    assert row.finished_at is not None
    told = messages_db.list_rows(ctxt).rows
    assert bool(told) == (fails or change is _reset)
    # And life goes on.
    if change is _detach and not fails:
        snapshots_api.create(ctxt, end)
        assert _run(ctxt, manager, sent).state == 'done'


def test_an_extension_that_is_resumed_after_a_reset_counts_no_more(
        ctxt, manager, sent, volume):  # noqa: F811
    volumes_api.extend(ctxt, volume, 5)
    volumes_api.reset_status(ctxt, _now(ctxt, volume), status='available')
    operation = sent[-1][1]['operation']
    manager.runner.handlers['volume.extend'](ctxt, operations_db.get(ctxt, operation.id))
    end = _now(ctxt, volume)
    assert (end.status, end.size, end.growth) == ('available', 1, 0)
    assert quota_recount.differences(ctxt) == []
    assert 'superseded' in messages_db.list_rows(ctxt).rows[0]['user_message']


@pytest.mark.parametrize('change', CHANGES)
def test_a_retype_and_what_happens_before_it_is_done(
        ctxt, manager, sent, volume, held, change):  # noqa: F811
    gold = types_db.create(ctxt, {'name': 'gold', 'is_public': True})
    volume_actions.retype(ctxt, _now(ctxt, volume), types_db.get(ctxt, gold.id))
    operation = sent[-1][1]['operation']
    status = change(ctxt, volume, held)
    scheduler = operations.OperationRunner('s', 'schedule', {})
    scheduler.claim(ctxt, operation)
    operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
    before = _now(ctxt, volume)
    manager.runner.handlers['volume.retype'](ctxt, operation, before)
    end = _now(ctxt, volume)
    # The type is changed, or the tenant is told why it is not.
    assert (end.volume_type.name, end.status) == ('gold', status)
    assert bool(messages_db.list_rows(ctxt).rows) == (change is _reset)
    assert quota_recount.differences(ctxt) == []


def test_a_forced_delete_takes_reservations_along(ctxt, manager, sent, volume, folder):  # noqa: F811
    reserved = attachments_api.create(ctxt, volume)
    volumes_api.delete(ctxt, _now(ctxt, volume), force=True)
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments_db.get(ctxt, reserved.id)
    # Who loaded it before comes too late, and changes nothing.
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments_api.complete(ctxt, reserved)
    assert _now(ctxt, volume).status == 'deleting'
    assert _run(ctxt, manager, sent).state == 'done'
    assert list(folder.iterdir()) == []


def test_a_forced_delete_leaves_what_a_host_uses(ctxt, volume, held):  # noqa: F811
    attachments_db.update(ctxt, held.id, {'attach_status': 'attaching', 'connector': {'host': 'h'}})
    volumes_db.settle(ctxt, volume.id)
    with pytest.raises(exception.InvalidVolume, match=held.id):
        volumes_api.delete(ctxt, _now(ctxt, volume), force=True)
    assert _now(ctxt, volume).status == 'attaching'


def test_an_attachment_of_a_volume_that_is_gone_can_be_deleted(ctxt, volume):  # noqa: F811
    left = attachments_api.create(ctxt, volume)
    # As a database of another service may have it; ours goes with the volume.
    volumes_db.overwrite(ctxt, volume.id, {'deleted': True})
    assert attachments_api.delete(ctxt, attachments_db.get(ctxt, left.id)) == []
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments_db.get(ctxt, left.id)


def test_update_writes_no_status(ctxt, volume):  # noqa: F811
    with pytest.raises(ValueError, match='status'):
        volumes_db.update(ctxt, volume.id, {'status': 'available'})


def test_of_several_servers_each_keeps_what_it_has(ctxt, manager, accepted):  # noqa: F811
    kind = types_db.create(ctxt, {'name': 'shared', 'is_public': True},
                           {'multiattach': '<is> True'})
    made, operation = accepted(volume_type=types_db.get(ctxt, kind.id))
    manager.runner.handlers['volume.create'](ctxt, operation, made)
    one = attachments_api.create(ctxt, _now(ctxt, made))
    attachments_api.complete(ctxt, one)
    stale = _now(ctxt, made)
    attachments_api.delete_row(ctxt, _now(ctxt, made), attachments_db.get(ctxt, one.id))
    # By what this caller loaded, the volume is in use.
    attachments_api.create(ctxt, stale)
    assert _now(ctxt, made).status == 'reserved'
