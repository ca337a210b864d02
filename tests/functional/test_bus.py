# SPDX-License-Identifier: Apache-2.0
"""The bus as it is: away for a while, forgetful, or saying everything twice."""

import time

import pytest
import sqlalchemy as sa

from tests.functional import scenarios
from tests.functional.oracle import Oracle

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


def claims_beyond_need(suite) -> list[tuple]:
    """Return the operations that were claimed more often than once in each stage."""
    operations = sa.table('operations', *map(sa.column, ('verb', 'fence', 'resource_id')))
    with sa.create_engine(suite.database, poolclass=sa.pool.NullPool).connect() as conn:
        rows = conn.execute(sa.select(operations.c['verb', 'fence', 'resource_id'])).all()
    return [tuple(row) for row in rows if row.fence > (2 if row.verb == 'volume.create' else 1)]
