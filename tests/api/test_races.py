# SPDX-License-Identifier: Apache-2.0
"""Two clients on one volume, for every pair of verbs. The slower one has read the volume and passed
all checks when the other one's whole request comes in between, just before its transaction.

The table of states says what the slower one then gets: its turn where its verb is allowed in the
status that the other one left, else the refusal of that status, and nothing is changed.
"""
import pytest

from cinder.db import backups as backups_db
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
        *_MADE, 'os-retype without migration', 'os-retype with migration'],
}
# The same server may ask again for what is reserved for it.
AGAIN = {('volume', 'attachment create'): ATTACH}


@pytest.fixture
def world(world):
    unlimited = dict.fromkeys(('volumes', 'gigabytes', 'snapshots', 'backups',
                               'backup_gigabytes'), -1)
    assert world.api.put(f'/os-quota-sets/{PROJECT}', {'quota_set': unlimited}).status == 200
    return world


@pytest.fixture
def before_writing(database, monkeypatch):
    """Have something done once, when the next transaction is about to begin; gives the list in
    which its result will be."""
    waiting = []
    engines = database.current()
    turn = engines.turn

    def interrupted(patience):
        if waiting:
            act, results = waiting.pop()
            results.append(act())
        return turn(patience)

    def prepare(act):
        results = []
        waiting.append((act, results))
        return results
    monkeypatch.setattr(engines, 'turn', interrupted)
    return prepare


def fresh(world):
    """A new volume for the next pair, and nothing of the last one's."""
    volumes_db.destroy(ADMIN, world.ids['volume'])
    world.ids['volume'] = fake.volume(PROJECT)['id']
    backups_db.update(ADMIN, world.ids['backup'], {'status': 'available'})


@pytest.mark.parametrize('slower', VERBS, ids=' '.join)
def test_pairs(world, before_writing, database, slower):
    for faster in VERBS:
        fresh(world)
        between = before_writing(lambda key=faster: (
            _send(world, key), verbs.everything(database), _status(world)))
        answer = _send(world, slower)
        place = f'{faster} before {slower}: {answer.status} {answer.body}'
        (first, rows, status), = between
        assert first.status < 300, place
        if _refused(faster, slower, status):
            assert answer.status == int(verbs.rules()[slower]['refused_with']), place
            assert verbs.everything(database) == rows, place
        else:
            assert answer.status < 300, place


def _send(world, key):
    return world.send(verbs.REQUESTS[key], verbs.VERSIONS.get(key, '3.71'))


def _status(world):
    return volumes_db.get(ADMIN, world.ids['volume']).status


def _refused(faster, slower, status):
    if slower in AGAIN.get(faster, ()):
        return False
    return status not in verbs.allowed(slower) or slower[1] in BLOCKED.get(faster, ())
