# SPDX-License-Identifier: Apache-2.0
"""Notifications that wait for the broker: kept, in order, sent at least once."""
import itertools
import json

import pytest

from cinder.conf import CONF
from cinder.db import notices as store
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.rpc import base, notices, notifications
from tests.fakes import measured

LOGGER = 'oslo.messaging.notification'


class Broker:
    """:ivar got: ids of what was sent; `accepts` more of them."""

    def __init__(self):
        self.got, self.accepts = [], 9999

    def send(self, row):
        if not self.accepts:
            raise ConnectionError('no broker')
        self.accepts -= 1
        self.got.append(row['message_id'])


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def sender(database, broker):
    return notices.Sender(store, broker.send)


def add(ctxt, *ids):
    for ident in ids:
        store.add(ctxt, {**notices.row_of('p', 'e', 'info', {}, {}), 'message_id': ident})


def test_in_order_and_no_more(ctxt, sender, broker):
    ids = [f'{number:03}' for number in range(2 * notices.BATCH + 3)]
    add(ctxt, *ids)
    assert sender.drain() is notices.IDLE and sender.drain() is notices.IDLE
    assert broker.got == ids and store.first(ctxt, 1) == []


@pytest.mark.parametrize('accepted', [0, 1, 4])
def test_an_outage_loses_nothing(ctxt, sender, broker, tmp_path, accepted):
    ids = list('abcdef')
    add(ctxt, *ids)
    broker.accepts = accepted
    with measured.counted(tmp_path) as page:
        with pytest.raises(ConnectionError):
            sender.drain()
        assert page.value('cinder_notifications_failed_total', error='ConnectionError') == 1
        assert (page.value('cinder_notifications_sent_total') or 0) == accepted
    assert [row['message_id'] for row in store.first(ctxt, 9)] == ids[accepted:]
    add(ctxt, 'g')
    broker.accepts = 99
    # Another process goes on at once.
    assert notices.Sender(store, broker.send).drain() is notices.IDLE
    assert broker.got == [*ids, 'g']


def test_another_process_sends(ctxt, sender, broker):
    add(ctxt, 'a')
    store.lease(ctxt, 'another', 60)
    assert sender.drain() is notices.TAKEN and broker.got == []
    store.release(ctxt, 'another')
    assert sender.drain() is notices.IDLE and broker.got == ['a']


def test_a_lease_is_extended_before_it_ends(ctxt, sender, broker, monkeypatch):
    """A slow broker: after half of the lease the process asks for more of it, or stops."""
    add(ctxt, *'abcd')
    clock = itertools.count(0, notices.LEASE / 4)
    monkeypatch.setattr(notices.time, 'monotonic', lambda: next(clock))
    asked = []
    real = store.lease
    monkeypatch.setattr(store, 'lease', lambda *args: (asked.append(1), real(*args))[1])
    assert sender.drain() is notices.IDLE
    assert broker.got == list('abcd') and len(asked) == 3


# ------------------------------------------------------------------------ with the library
@pytest.fixture
def bus(database, caplog, monkeypatch):
    caplog.set_level('INFO', LOGGER)
    monkeypatch.setattr(notices.Sender, '_run', lambda _self: None)  # no thread
    base.init(CONF, url='fake:/', store=store)
    CONF.register_opts(notifications.library._notifier_opts, group=notifications.GROUP)
    CONF.set_override('driver', ['log'], notifications.GROUP)
    yield
    CONF.clear_override('driver', notifications.GROUP)
    base.cleanup()


@pytest.fixture
def told(bus, caplog):
    def read():
        notifications._sender().drain()
        return [json.loads(record.getMessage()) for record in caplog.records
                if record.name.startswith(LOGGER)]
    return read


def test_a_notification_of_a_change_that_is_not_committed(ctxt, told):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 1})
    with pytest.raises(ZeroDivisionError), session.writer(ctxt):
        notifications.notify(ctxt, 'volume', 'volume.update.end', volume)
        raise ZeroDivisionError
    with session.writer(ctxt):
        notifications.notify(ctxt, 'volume', 'volume.resize.error', volume, reason='full')
    message, = told()
    assert (message['event_type'], message['priority'], message['payload']['reason']) == (
        'volume.resize.error', 'ERROR', 'full')
    assert message['timestamp'] and message['message_id']
    assert message['payload']['volume_id'] == volume.id


def test_a_broker_that_does_not_confirm(ctxt, told, monkeypatch, caplog):
    """The library only logs that."""
    def refuse(*_args, **_kwargs):
        raise ConnectionError('no broker')
    CONF.set_override('driver', ['messagingv2'], notifications.GROUP)
    notifier = notifications._notifier()
    monkeypatch.setattr(notifier.transport._driver, 'send_notification', refuse)
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 1})
    with session.writer(ctxt):
        notifications.notify(ctxt, 'volume', 'volume.update.end', volume)
    with pytest.raises(ConnectionError):
        notifications._sender().drain()
    assert len(store.first(ctxt, 9)) == 1 and 'Payload' not in caplog.text
    monkeypatch.setattr(notifier.transport._driver, 'send_notification', lambda *_a, **_k: None)
    notifications._sender().drain()
    assert store.first(ctxt, 9) == []
