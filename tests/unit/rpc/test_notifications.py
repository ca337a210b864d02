# SPDX-License-Identifier: Apache-2.0
"""Notifications: off they make nothing; on they say what happened, to a broker that may be away."""
import datetime
import json
import threading

import oslo_messaging as messaging
import pytest

from cinder import context, objects
from cinder.conf import CONF
from cinder.rpc import base, notifications, outbox

LOGGER = 'oslo.messaging.notification'


@pytest.fixture
def ctxt(monkeypatch):
    monkeypatch.setattr(context.RequestContext, 'in_transaction', True)
    return context.RequestContext(user_id='u1', project_id='p1', is_admin=True,
                                  auth_token='SECRET')


@pytest.fixture
def told(caplog):
    """Switches notifications on, into the log, and returns a function that reads them."""
    caplog.set_level('INFO', LOGGER)
    base.init(CONF, url='fake:/')
    CONF.register_opts(notifications.library._notifier_opts, group=notifications.GROUP)
    CONF.set_override('driver', ['log'], notifications.GROUP)

    def read():
        base.notification_outbox().flush(3)
        return [json.loads(record.getMessage()) for record in caplog.records
                if record.name.startswith(LOGGER)]
    yield read
    CONF.clear_override('driver', notifications.GROUP)
    base.cleanup()


@pytest.fixture
def volume():
    return objects.Volume(
        id='11111111-1111-4111-8111-111111111111', project_id='p1', user_id='u1', size=3,
        status='creating', host='n1@lvm#pool', display_name='mine', metadata={'a': 'b'},
        volume_type_id='22222222-2222-4222-8222-222222222222', availability_zone='az',
        created_at=datetime.datetime(2030, 1, 2, 3, 4, 5), glance_metadata={'image_id': 'i'},
        attachments=[objects.VolumeAttachment(
            id='33333333-3333-4333-8333-333333333333',
            instance_uuid='44444444-4444-4444-8444-444444444444')])


def operation(verb):
    return objects.Operation(verb=verb, resource_type=verb.partition('.')[0])


def test_off_nothing_is_made(ctxt, volume, monkeypatch):
    base.init(CONF, url='fake:/')
    monkeypatch.setattr(messaging, 'Notifier', None)
    monkeypatch.setattr(messaging, 'get_notification_transport', None)
    monkeypatch.setattr(notifications, 'make_payload', None)
    assert not notifications.is_enabled()
    notifications.notify_operation(ctxt, 'start', operation('volume.create'), volume)
    base.cleanup()


def test_before_the_bus_is_set_up_nobody_is_told(ctxt, volume):
    assert not notifications.is_enabled()
    notifications.notify(ctxt, 'volume', 'volume.update.end', volume)


def test_what_meters_read(ctxt, volume, told):
    notifications.notify_operation(ctxt, 'end', operation('volume.create'), volume,
                                   status='available',
                                   launched_at=datetime.datetime(2030, 1, 2), provider_id='secret')
    notice, = told()
    assert (notice['event_type'], notice['publisher_id'], notice['priority']) == (
        'volume.create.end', 'volume.n1@lvm', 'INFO')
    payload = notice['payload']
    assert {name: payload[name] for name in (
        'tenant_id', 'user_id', 'volume_id', 'size', 'status', 'display_name', 'volume_type',
        'availability_zone', 'created_at', 'launched_at', 'metadata')} == {
            'tenant_id': 'p1', 'user_id': 'u1', 'volume_id': volume.id, 'size': 3,
            'status': 'available', 'display_name': 'mine', 'volume_type': volume.volume_type_id,
            'availability_zone': 'az', 'created_at': '2030-01-02T03:04:05.000000+00:00',
            'launched_at': '2030-01-02T00:00:00.000000+00:00',
            'metadata': [{'key': 'a', 'value': 'b'}]}
    assert payload['glance_metadata'] == [{'key': 'image_id', 'value': 'i'}]
    assert payload['volume_attachment'][0]['server_id'] == volume.attachments[0].instance_uuid
    assert 'secret' not in json.dumps(notice).lower()


@pytest.mark.parametrize(('verb', 'phase', 'event', 'priority'), [
    ('volume.create', 'start', 'volume.create.start', 'INFO'),
    ('volume.extend', 'end', 'volume.resize.end', 'INFO'),
    ('volume.extend', 'error', 'volume.resize.error', 'ERROR'),
    ('volume.retype', 'start', None, None), ('volume.retype', 'end', 'volume.retype', 'INFO'),
    ('volume.forget', 'end', None, None), ('snapshot.delete', 'end', 'snapshot.delete.end', 'INFO'),
    ('group.copy', 'end', 'group.create.end', 'INFO'), ('service.failover', 'end', None, None)])
def test_events(ctxt, told, verb, phase, event, priority):
    kinds = {'volume': objects.Volume, 'snapshot': objects.Snapshot, 'group': objects.Group,
             'service': objects.Service}
    notifications.notify_operation(ctxt, phase, operation(verb), kinds[verb.partition('.')[0]]())
    assert [(one['event_type'], one['priority']) for one in told()] == (
        [(event, priority)] if event else [])


@pytest.mark.parametrize(('use_quota', 'number'), [(True, 1), (False, 0)])
def test_the_temporary_snapshot_of_a_backup_is_not_billed(ctxt, told, use_quota, number):
    notifications.notify_operation(ctxt, 'end', operation('snapshot.create'),
                                   objects.Snapshot(use_quota=use_quota))
    assert len(told()) == number


def test_a_snapshot_is_told_by_the_host_of_its_volume(ctxt, volume, told):
    snapshot = objects.Snapshot(id='55555555-5555-4555-8555-555555555555', volume=volume,
                                volume_id=volume.id, volume_size=3, project_id='p1')
    notifications.notify(ctxt, 'snapshot', 'snapshot.create.end', snapshot)
    notice, = told()
    assert notice['publisher_id'] == 'snapshot.n1@lvm'
    assert (notice['payload']['snapshot_id'], notice['payload']['volume_size']) == (
        snapshot.id, 3)


def test_a_broker_that_is_away_holds_up_neither_work_nor_messages(ctxt, volume, told, monkeypatch):
    came, goes_on, sent = threading.Event(), threading.Event(), threading.Event()

    class Stuck:
        def prepare(self, publisher_id):
            return self

        def info(self, *_args):
            came.set()
            goes_on.wait(60)
    monkeypatch.setattr(notifications, '_notifier', Stuck)
    monkeypatch.setattr(outbox, 'OUTBOX_SIZE', 20)
    timer = threading.Timer(30, goes_on.set)
    timer.start()
    notifications.notify(ctxt, 'volume', 'volume.update.end', volume)
    assert came.wait(30)
    for _ in range(outbox.OUTBOX_SIZE + 10):
        notifications.notify(ctxt, 'volume', 'volume.update.end', volume)
    base._state['outbox'].put(sent.set, 'message')
    assert sent.wait(30)
    assert not goes_on.is_set(), 'the first one was waited for'
    timer.cancel()
    goes_on.set()


def test_capacity(ctxt, told):
    usage = {'name_to_id': 'n1@b#p', 'total': 500, 'free': 460}
    notifications.notify_capacity(ctxt, 'pool', usage)
    sent, = told()
    assert (sent['publisher_id'], sent['event_type'], sent['payload']) == (
        'capacity.n1@b#p', 'capacity.pool', usage)


def test_capacity_without_a_driver_is_not_sent(ctxt):
    base.init(CONF, url='fake:/')
    notifications.notify_capacity(ctxt, 'pool', {'name_to_id': 'n1@b#p'})
    base.cleanup()


def test_the_progress_of_a_backup_is_a_percentage(ctxt, told):
    backup = objects.Backup(id='b1', project_id='p1', host='h1', status='creating')
    notifications.notify(ctxt, 'backup', 'backup.createprogress', backup, backup_percent=37.5)
    (found,) = told()
    assert (found['event_type'], found['payload']['backup_percent']) == (
        'backup.createprogress', 37.5)
    assert found['payload']['backup_id'] == 'b1'
