# SPDX-License-Identifier: Apache-2.0
"""Two clients on one volume, for every pair of verbs. The slower one has read the volume and passed
all checks when the other one's whole request comes in between, just before its transaction.

The table of states says what the slower one then gets: its turn where its verb is allowed in the
status that the other one left, else the refusal of that status, and nothing is changed.
"""
import dataclasses

import pytest

from cinder.db import volumes as volumes_db
from tests.api import verbs
from tests.api.client import PROJECT
from tests.fakes import daemons as fake
from tests.fakes.daemons import ADMIN

VERBS = [key for key, request in verbs.REQUESTS.items() if request.subject == 'volume']
ATTACH = [key for key in VERBS if key[1].startswith('attachment create')]
# What the other one made decides, not the status it left: faster -> the slower ones.
_MADE = ['delete', 'os-unmanage', 'os-migrate_volume', 'transfer create']
BLOCKED = {
    ('snapshot', 'create'): _MADE,
    ('snapshot', 'create with force (up to 3.65) or any from 3.66'): _MADE,
    ('volume', 'os-migrate_volume'): [
        *_MADE, 'os-retype without migration', 'os-retype with migration', 'backup create'],
    ('volume', 'backup create'): [*_MADE, 'os-retype with migration'],
}
# The same server may ask again for what is reserved for it.
AGAIN = {('volume', 'attachment create'): ATTACH}


@dataclasses.dataclass
class Alone:
    """What a verb does when no other client is there: the rows to put back, and the status of the
    volume."""

    rows: dict
    status: str


@pytest.fixture(scope='module')
def made():
    """The id of a new volume, the rows around it, and what each verb makes of them."""
    return {}


@pytest.fixture
def world(world, made, only_database):
    database, _rows = only_database
    if not made:
        unlimited = dict.fromkeys(('volumes', 'gigabytes', 'snapshots', 'backups',
                                   'backup_gigabytes'), -1)
        put = world.api.put(f'/os-quota-sets/{PROJECT}', {'quota_set': unlimited})
        assert put.status == 200
        made['volume'] = fake.volume(PROJECT)['id']
        made['rows'] = database.rows()
    world.ids['volume'] = made['volume']
    if 'alone' not in made:
        made['alone'] = {key: _alone(world, database, made['rows'], key) for key in VERBS}
    return world


def _alone(world, database, rows, key):
    database.restore(rows)
    answer = _send(world, key)
    assert answer.status < 300, f'{key}: {answer.status} {answer.body}'
    return Alone(database.rows(), volumes_db.get(ADMIN, world.ids['volume']).status)


@pytest.fixture
def before_writing(database, monkeypatch):
    """A list: what is put there is done when the next transaction is about to begin."""
    waiting = []
    engines = database.current()
    write_lock = engines.write_lock

    def interrupted(seconds):
        if waiting:
            waiting.pop()()
        return write_lock(seconds)
    monkeypatch.setattr(engines, 'write_lock', interrupted)
    return waiting


@pytest.mark.parametrize('slower', VERBS, ids=' '.join)
def test_pairs(world, made, only_database, before_writing, slower):
    database, _rows = only_database
    for faster, alone in made['alone'].items():
        database.restore(made['rows'])
        before_writing.append(lambda rows=alone.rows: database.restore(rows))
        answer = _send(world, slower)
        place = f'{faster} before {slower}: {answer.status} {answer.body}'
        assert not before_writing, place
        if _refused(faster, slower, alone.status):
            assert answer.status == int(verbs.rules()[slower]['refused_with']), place
            assert database.written() <= verbs.LOCKS, place
        else:
            assert answer.status < 300, place


def _send(world, key):
    return world.send(verbs.REQUESTS[key], verbs.VERSIONS.get(key, '3.71'))


def _refused(faster, slower, status):
    if slower in AGAIN.get(faster, ()):
        return False
    return status not in verbs.allowed(slower) or slower[1] in BLOCKED.get(faster, ())
