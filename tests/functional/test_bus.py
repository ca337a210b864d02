# SPDX-License-Identifier: Apache-2.0
"""The bus as it is: away for a while, forgetful, or saying everything twice."""

import json
import time

import oslo_messaging as messaging
import pytest
import sqlalchemy as sa

from cinder import context, exception
from cinder.conf import CONF
from cinder.rpc import base as rpc
from cinder.rpc import client as client_module
from tests.functional import scenarios
from tests.functional.client import WrongState
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until

AWAY_SECONDS = 20
AFTER_SECONDS = 30


def prepared(client):
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    return running


def test_broker_away(suite, client, broker):
    """Requests are taken while there is no broker, and carried out when it is back."""
    before, during = prepared(client), prepared(client)
    for scenario in before:
        scenario.request()
    broker.kill9()
    gone = time.monotonic()
    try:
        for scenario in during:
            scenario.request()
        answered = time.monotonic() - gone
        time.sleep(max(0.0, AWAY_SECONDS - answered))
    finally:
        broker.start()
    assert answered < AWAY_SECONDS, 'requests waited for the broker'
    back = time.monotonic()
    for scenario in before + during:
        scenario.check_done()
    assert time.monotonic() - back < AFTER_SECONDS
    Oracle(suite).check()


def test_queues_deleted(suite, client, broker):
    before, after = prepared(client), prepared(client)
    for scenario in before:
        scenario.request()
    broker.lose_queues('postgresql')
    for scenario in after:
        scenario.request()
    for scenario in before + after:
        scenario.check_done()
    Oracle(suite).check()
    # The services find the way back to their queues: new work is a matter of moments again.
    assert client.ready_volume()


@pytest.fixture
def impatient_suite(installation, postgresql):
    """A service whose heartbeat is missing counts as down after a few seconds; notifications are
    sent over the same broker."""
    options = {'DEFAULT': {'service_down_time': 6},
               'oslo_messaging_notifications': {'driver': 'messagingv2'}}
    with installation('impatient', postgresql.url('impatient'), options=options) as suite:
        yield suite


class Meter:
    """Reads notifications as a metering service does.

    :ivar told: (priority, event type, id of the volume).
    :ivar names: the names of volumes that were changed, in order.
    """

    def __init__(self, url: str) -> None:
        self.told: set[tuple[str, str, str]] = set()
        self.names: list[str] = []
        self._listener = messaging.get_notification_listener(
            messaging.get_notification_transport(CONF, url),
            [messaging.Target(topic='notifications')], [self], executor='threading')
        self._listener.start()

    def info(self, ctxt, publisher, event, payload, metadata):
        if event == 'volume.update.end' and payload['display_name'] not in self.names:
            self.names.append(payload['display_name'])
        self.told.add(('info', event, payload['volume_id']))

    def error(self, ctxt, publisher, event, payload, metadata):
        self.told.add(('error', event, payload['volume_id']))

    def stop(self) -> None:
        self._listener.stop()
        self._listener.wait()


def test_broker_away_for_longer_than_a_heartbeat_counts(impatient_suite, broker):
    """A scheduler that cannot hear does not conclude from the database that no back end is up;
    one that hears does."""
    suite, client = impatient_suite, impatient_suite.client()
    renamed, names = client.ready_volume()['id'], [f'name {number}' for number in range(30)]
    broker.kill9()
    try:
        for name in names:
            client.call('PUT', f'volumes/{renamed}', {'volume': {'name': name}})
            if name == names[9]:
                suite.processes['api'].kill9()
                suite.ensure_running()
        suite.processes['api'].kill9()
        suite.ensure_running()
        wait_until(lambda: not suite.up(), 20, 'all services to count as down')
        made = [client.create_volume(1)['id'] for _ in range(5)]
        # The first call of this process, which has no queue for the answer yet.
        asked = time.monotonic()
        client.call('GET', 'scheduler-stats/get_pools', expect=503)
        assert time.monotonic() - asked < 10
        # Long enough for the scheduler to find them in the journal, twice.
        time.sleep(5)
        assert {client.show('volume', volume_id)['status'] for volume_id in made} == {'creating'}
    finally:
        broker.start()
    back = time.monotonic()
    for volume_id in made:
        client.wait_for_status('volume', volume_id, 'available')
    assert time.monotonic() - back < AFTER_SECONDS
    Oracle(suite).check()
    suite.processes['volume'].kill9()
    wait_until(lambda: not any(binary == 'cinder-volume' for binary, _host in suite.up()), 20,
               'the volume service to count as down')
    refused = client.create_volume(1)['id']
    with pytest.raises(WrongState, match='a storage service is not available'):
        client.wait_for_status('volume', refused, 'available')
    assert client.show('volume', refused)['status'] == 'error'
    meter = Meter(suite.transport)
    try:
        expected = {('info', f'volume.create.{phase}', volume_id)
                    for phase in ('start', 'end') for volume_id in made}
        expected.add(('error', 'scheduler.create_volume', refused))
        wait_until(lambda: expected <= meter.told, 15,
                   lambda: f'notifications: {expected - meter.told} of {meter.told}')
        # None is lost or late, although whoever made it was killed while nobody could take it.
        assert meter.names == names
    finally:
        meter.stop()


class Unspeakable:
    def fail(self, ctxt):
        raise ValueError('no words', object())


def test_an_error_that_cannot_be_sent_keeps_nobody_waiting(broker):
    rpc.init(CONF, url=broker.url('unspeakable'))
    server = rpc.get_server(messaging.Target(topic='unspeakable', server='one'), [Unspeakable()])
    server.start()
    try:
        client = rpc.get_client(messaging.Target(topic='unspeakable', server='one'))
        sender = client_module.Sender(lambda: (client, {'timeout': 20}))
        asked = time.monotonic()
        with pytest.raises(exception.PeerFailed, match='ValueError'):
            sender.call(context.get_admin_context(), 'fail')
        assert time.monotonic() - asked < 10
    finally:
        server.stop()
        server.wait()
        rpc.cleanup()


@pytest.fixture
def echoing_suite(installation, postgresql):
    options = {'DEFAULT': {'fault_points': 'bus:duplicate=duplicate'}}
    with installation('echo', postgresql.url('echo'), options=options) as suite:
        yield suite


def test_each_message_twice(echoing_suite):
    running = prepared(echoing_suite.client())
    for scenario in running:
        scenario.request()
    for scenario in running:
        scenario.check_done()
    Oracle(echoing_suite).check()
    assert claims_beyond_need(echoing_suite) == []


# What the scheduler claims first, to place it or to promise its space.
SCHEDULED = ('volume.create', 'volume.extend')


def claims_beyond_need(suite) -> list[tuple]:
    """Return the operations that were claimed more often than once in each stage.

    A scheduler that put one back, to wait for a back end that starts, had to claim it again.
    """
    operations = sa.table('operations', *map(sa.column, ('verb', 'fence', 'resource_id',
                                                         'arguments')))
    with sa.create_engine(suite.database, poolclass=sa.pool.NullPool).connect() as conn:
        rows = conn.execute(sa.select(operations)).all()
    return [tuple(row) for row in rows
            if row.fence > (2 if row.verb in SCHEDULED else 1)
            + json.loads(row.arguments).get('waits', 0)]
