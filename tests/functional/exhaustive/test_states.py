# SPDX-License-Identifier: Apache-2.0
"""An operation from a status that it does not start from is refused with the documented code and
changes nothing: no row anywhere, no operation, no message. Made from the table of states."""
import csv
import pathlib
import re

import pytest

from cinder.db import volumes as volumes_db
from cinder.objects import states
from tests.api import verbs
from tests.fakes.daemons import ADMIN

SHARED = pathlib.Path(__file__).parents[4] / 'shared/api/states.csv'
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


# What makes something on the back end of a volume or changes its size.
BOUND_TO_THE_PLACE = (
    ('POST', '/volumes/<held>/action', {'os-extend': {'new_size': 2}}),
    ('POST', '/snapshots', {'snapshot': {'volume_id': '<held>'}}),
    ('POST', '/manageable_snapshots', {'snapshot': {
        'volume_id': '<held>', 'ref': {'source-name': 'x'}}}),
    ('POST', '/backups', {'backup': {'volume_id': '<held>', 'force': True}}),
    ('PUT', '/groups/<group>', {'group': {'add_volumes': '<held>'}}))


@pytest.mark.parametrize(('method', 'path', 'body'), BOUND_TO_THE_PLACE,
                         ids=[path for _, path, _ in BOUND_TO_THE_PLACE])
def test_refused_while_a_server_copies_the_volume(world, daemons, method, path, body):
    """It would stay behind on the old back end, or keep the copy from taking its place."""
    request = verbs.Request('held', 'volume', method, path, body)
    for status in ('starting', 'migrating'):
        volumes_db.update(ADMIN, world.ids['held'], {'migration_status': status})
        sent = len(daemons.messages)
        assert 'is being migrated' in world.send(request, '3.71').fault(400)
        assert len(daemons.messages) == sent
    volumes_db.update(ADMIN, world.ids['held'], {'migration_status': 'error'})
    assert world.send(request, '3.71').status < 300


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
