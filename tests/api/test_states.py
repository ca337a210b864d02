# SPDX-License-Identifier: Apache-2.0
"""An operation from a status that it does not start from is refused with the documented code and
changes nothing: no row anywhere, no operation, no message. Made from the table of states."""
import csv
import pathlib
import re

import pytest

from cinder.objects import states
from tests.api import verbs

SHARED = pathlib.Path(__file__).parents[3] / 'shared/api/states.csv'
RULES = verbs.rules()
# Rows of the table that no status can refuse, and those that something else is to be refused by.
NEVER_REFUSED = re.compile('-$|any($|,| volume)')
ELSEWHERE = {
    ('volume', 'os-detach'): 'any status will do',
    ('volume', 'os-unreserve'): 'does nothing in another status',
    ('volume', 'os-roll_detaching'): 'does nothing in another status',
    ('volume', 'transfer delete'): 'does nothing in another status',
    ('volume', 'os-extend in-use (3.42)'): 'os-extend, from the same table',
    ('volume', 'os-migrate_volume_completion'): 'is about migration statuses',
    ('volume', 'create from image'): 'is about images',
    ('snapshot', 'manage'): 'any volume will do',
    ('group', 'enable_replication'): 'is about replication statuses',
    ('group', 'disable_replication'): 'is about replication statuses',
    ('group', 'failover_replication'): 'is about replication statuses',
    ('attachment', 'update'): 'the row of the volume says the same',
}

@pytest.mark.parametrize('key', verbs.REQUESTS, ids=' '.join)
def test_refused(world, daemons, only_database, key):
    database, _rows = only_database
    request, code = verbs.REQUESTS[key], int(RULES[key]['refused_with'])
    starts = verbs.allowed(key)
    version = verbs.VERSIONS.get(key, '3.71')
    for status in verbs.VALUES[request.kind]:
        if status in starts:
            continue
        world.put_in(request, status)
        database.forget()
        sent = len(daemons.messages)
        answer = world.send(request, version)
        assert answer.status == code, (status, answer.body)
        assert database.written() <= verbs.LOCKS, status
        assert len(daemons.messages) == sent, status
    world.put_in(request, starts[0])
    assert world.send(request, version).status < 300, 'refused from an allowed status too'


def test_every_row_is_a_request():
    expected = {key for key, row in RULES.items() if not NEVER_REFUSED.match(row['from_states'])
                and row['refused_with'] in ('400', '409') and key[0] != 'service'}
    assert expected - set(verbs.REQUESTS) - set(ELSEWHERE) == set()


@pytest.mark.skipif(not SHARED.exists(), reason=f'the facts are not here: {SHARED}')
def test_the_table_is_that_of_the_facts():
    with SHARED.open() as stream:
        facts = {(row['resource'], row['name']): (row['from_states'],
                                                  row['http_status_if_not_allowed'])
                 for row in csv.DictReader(stream) if row['record'] == 'transition'}
    assert facts == {key: (row['from_states'], row['refused_with'])
                     for key, row in RULES.items()}


@pytest.mark.skipif(not SHARED.exists(), reason=f'the facts are not here: {SHARED}')
def test_the_statuses_are_those_of_the_facts():
    with SHARED.open() as stream:
        values = [(row['resource'], row['name']) for row in csv.DictReader(stream)
                  if row['record'] == 'value']
    for kind, known in verbs.VALUES.items():
        assert {name for resource, name in values if resource == kind} - {'deleted'} == (
            set(known) - {'deleted'}), kind
    assert {name for resource, name in values if resource == 'volume_attach_status'} == (
        set(states.ATTACH_STATUSES))
