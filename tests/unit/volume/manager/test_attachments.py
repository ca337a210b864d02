# SPDX-License-Identifier: Apache-2.0
"""What an initiator is told about a volume."""
import contextlib
import functools
import threading

import oslo_messaging as messaging
import pytest

from cinder import exception
from cinder.db import attachments as attachments_db
from cinder.db import qos_specs, types, volumes
from cinder.objects import states
from cinder.volume.manager import attachments
from tests.unit.volume.conftest import POOL

CONNECTOR = {'host': 'client', 'initiator': 'iqn.x'}


def _endpoint(manager):
    return next(one for one in manager.additional_endpoints
                if isinstance(one, attachments.AttachmentEndpoint))


@pytest.fixture
def shared(manager, ctxt):
    """A volume that several may attach."""
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'in-use', 'host': POOL,
                                 'multiattach': True})
    volume = volumes.get(ctxt, made.id)
    manager.backend.driver.create_volume(volume)
    return volume


@pytest.fixture
def exports(manager, monkeypatch):
    """What was done to exports: [(what, host or None)]."""
    done, driver = [], manager.backend.driver
    terminate = driver.terminate_connection
    monkeypatch.setattr(driver, 'remove_export',
                        lambda ctxt, volume: done.append(('remove', None)))
    monkeypatch.setattr(driver, 'terminate_connection', lambda volume, connector, force: (
        done.append(('terminate', connector['host'])), terminate(volume, connector, force)))
    return done


def _attachment(ctxt, volume, host=None):
    return attachments_db.create(ctxt, {
        'volume_id': volume.id, 'attach_status': 'attached' if host else 'reserved',
        'connector': host and {'host': host}, 'connection_info': {} if host else None})


def _of_type_with_qos(manager, ctxt, consumer, specs):
    qos = qos_specs.create(ctxt, 'fast', consumer, specs)
    volume_type = types.create(ctxt, {'name': 'gold'})
    qos_specs.associate(ctxt, qos['id'], volume_type.id)
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 2, 'status': 'available',
                                 'host': POOL, 'volume_type_id': volume_type.id})
    volume = volumes.get(ctxt, made.id)
    manager.backend.driver.create_volume(volume)
    return volume


@pytest.mark.parametrize(('consumer', 'told'), [
    ('front-end', {'read_iops_sec': '9', 'write_iops_sec': 60}),
    ('both', {'read_iops_sec': '9', 'write_iops_sec': 60}), ('back-end', None)])
def test_the_hypervisor_is_told_what_it_has_to_enforce(manager, ctxt, consumer, told):
    volume = _of_type_with_qos(manager, ctxt, consumer,
                               {'read_iops_sec': '9', 'write_iops_sec_per_gb': '30'})
    info = _endpoint(manager).initialize_connection(ctxt, volume, CONNECTOR)
    assert info['data']['qos_specs'] == told


def test_limits_that_cannot_be_computed_are_refused(manager, ctxt):
    volume = _of_type_with_qos(manager, ctxt, 'both', {'write_iops_sec_per_gb': 'many'})
    with pytest.raises(messaging.ExpectedException) as caught:
        _endpoint(manager).initialize_connection(ctxt, volume, CONNECTOR)
    told = str(caught.value.exc_info[1])
    assert 'gold' in told and "write_iops_sec_per_gb is 'many'" in told


@pytest.mark.parametrize(('change', 'words'), [
    (volumes.destroy, 'was deleted'),
    *((functools.partial(volumes.overwrite, values={'status': status}), f"status '{status}'")
      for status in states.LEAVING),
    (functools.partial(volumes.update, values={'host': 'there@lvm#p'}), 'has moved to there@lvm#p'),
    (functools.partial(volumes.update, values={'name_id': 'other'}), 'has moved')],
    ids=['gone', *states.LEAVING, 'moved', 'moved here'])
def test_nobody_is_connected_to_what_went_while_the_call_waited(
        manager, ctxt, shared, monkeypatch, change, words):
    endpoint, exported = _endpoint(manager), []
    monkeypatch.setattr(manager.backend.driver, 'create_export',
                        lambda _ctxt, volume, _connector: exported.append(volume))
    change(ctxt, shared.id)
    with pytest.raises(messaging.ExpectedException) as raised:
        endpoint.initialize_connection(ctxt, shared, CONNECTOR)
    assert isinstance(raised.value.exc_info[1], exception.InvalidVolume)
    assert words in str(raised.value.exc_info[1])
    assert exported == []


def test_an_attachment_to_what_is_being_removed_fails(manager, ctxt, shared):
    """Of a group, say, whose deletion takes reservations along."""
    attachment = _attachment(ctxt, shared)
    volumes.overwrite(ctxt, shared.id, {'status': 'deleting'})
    with pytest.raises(messaging.ExpectedException):
        _endpoint(manager).attachment_update(ctxt, shared, CONNECTOR, attachment.id)
    found = attachments_db.get(ctxt, attachment.id)
    assert (found.attach_status, found.connector) == ('error_attaching', None)
    assert volumes.get(ctxt, shared.id).status == 'deleting'


def test_the_export_goes_with_the_last_of_those_that_go_at_once(manager, ctxt, shared, exports):
    """The API removes the row of an attachment when the back end has answered: of two that are
    deleted at the same time each is still there while the other one is disconnected."""
    endpoint = _endpoint(manager)
    present = [_attachment(ctxt, shared, host) for host in 'ab']
    for attachment in present:
        endpoint.attachment_delete(ctxt, shared, attachment.id)
        endpoint.attachment_delete(ctxt, shared, attachment.id)
    assert exports == [('terminate', 'a'), ('terminate', 'b'), ('remove', None)]


def test_an_export_stays_for_who_is_just_being_connected(manager, ctxt, shared, exports,
                                                         monkeypatch):
    """His row tells of it last, and until then the one who leaves has to wait."""
    endpoint = _endpoint(manager)
    old, new = _attachment(ctxt, shared, 'a'), _attachment(ctxt, shared)
    leaving = threading.Thread(target=endpoint.attachment_delete, args=(ctxt, shared, old.id))
    record = endpoint._record

    def late(*arguments):
        leaving.start()
        leaving.join(0.1)
        record(*arguments)

    monkeypatch.setattr(endpoint, '_record', late)
    endpoint.attachment_update(ctxt, shared, {'host': 'b'}, new.id)
    leaving.join()
    assert exports == [('terminate', 'a')]


@pytest.mark.parametrize(('exported', 'done'), [(None, [('remove', None)]), ('there', [])])
def test_a_connection_that_failed_takes_back_the_export_that_it_made(
        manager, ctxt, shared, exports, monkeypatch, exported, done):
    """Also if its attachment was called complete meanwhile; but who attached the old way has just
    such a row, and needs the export that was there."""
    volumes.update(ctxt, shared.id, {'provider_location': exported})
    new = _attachment(ctxt, shared)

    def fail(_volume, _connector):
        attachments_db.update(ctxt, new.id, {'attach_status': 'attached'})
        raise exception.VolumeBackendAPIException(data='broken')

    monkeypatch.setattr(manager.backend.driver, 'initialize_connection', fail)
    with pytest.raises(exception.VolumeBackendAPIException):
        _endpoint(manager).attachment_update(ctxt, shared, {'host': 'b'}, new.id)
    assert exports == done


@pytest.mark.parametrize(('other', 'done'), [
    (None, [('terminate', 'b'), ('remove', None)]), ('a', [('terminate', 'b')]), ('b', [])])
def test_a_connection_whose_attachment_was_deleted_meanwhile_is_undone(
        manager, ctxt, shared, exports, monkeypatch, other, done):
    endpoint = _endpoint(manager)
    new = _attachment(ctxt, shared)
    if other:
        _attachment(ctxt, shared, other)
    connect = manager.backend.driver.initialize_connection

    def deleted(volume, connector):
        attachments_db.destroy(ctxt, new.id)
        return connect(volume, connector)

    monkeypatch.setattr(manager.backend.driver, 'initialize_connection', deleted)
    with pytest.raises(exception.VolumeAttachmentNotFound):
        endpoint.attachment_update(ctxt, shared, {'host': 'b'}, new.id)
    assert exports == done


def test_of_several_who_attached_the_old_way_the_last_ends_the_export(manager, ctxt, shared,
                                                                      exports):
    endpoint = _endpoint(manager)
    rows = [attachments_db.create(ctxt, {'volume_id': shared.id, 'attach_status': 'attached'})
            for _host in 'ab']
    for host, row in zip('ab', rows, strict=True):
        endpoint.terminate_connection(ctxt, shared, {'host': host})
        attachments_db.destroy(ctxt, row.id)
    assert exports == [('terminate', 'a'), ('terminate', 'b'), ('remove', None)]


def test_all_connections_end_with_the_export(manager, ctxt, shared, exports, monkeypatch):
    monkeypatch.setattr(manager.backend.driver, 'terminate_connection', lambda *_a, **_k: None)
    for _host in 'ab':
        attachments_db.create(ctxt, {'volume_id': shared.id, 'attach_status': 'attached'})
    _endpoint(manager).terminate_connection(ctxt, shared, None)
    assert exports == [('remove', None)]


@pytest.mark.parametrize('fails', [False, True])
def test_a_connection_is_notified_of(manager, ctxt, shared, told, monkeypatch, fails):
    attachment = _attachment(ctxt, shared)
    if fails:
        monkeypatch.setattr(manager.backend.driver, 'initialize_connection', None)
    with pytest.raises(TypeError) if fails else contextlib.nullcontext():
        _endpoint(manager).attachment_update(ctxt, shared, CONNECTOR, attachment.id)
    # The first one is about the call.
    assert told.events.pop(0)[0] == 'volume.attach.start'
    assert told.types == ['volume.attach.error' if fails else 'volume.attach.end']
    told.require_changes()
