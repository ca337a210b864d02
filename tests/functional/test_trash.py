# SPDX-License-Identifier: Apache-2.0
"""The trash with running daemons: for clients a volume is deleted, and comes back with its bytes;
it is removed by age, or because another volume needs its space. A process is killed in between."""
import pytest
import sqlalchemy as sa

from tests.fakes import sized
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import BACKEND, ROOT, Suite

SECONDS = 60
LARGE = sized.GIBIBYTES // 2 - 1
POINTS = ('volume.delete:driver:after', 'volume.restore:driver:after', 'trash.purge:driver:after')


class TrashSuite(Suite):
    """Its back end has 20 GiB."""

    def environment(self):
        return super().environment() | {'PYTHONPATH': str(ROOT)}

    def fault_names(self):
        return list(POINTS)


@pytest.fixture(scope='module')
def suite(installation, postgresql):
    with installation('trash', postgresql.url('trash'), kind=TrashSuite, options={BACKEND: {
            'volume_driver': 'tests.fakes.sized.SizedDriver', 'target_helper': 'local',
            'delete_to_trash_hours': 1}}) as suite:
        yield suite


def _files(suite, ident):
    """Return the names on the storage that have an id."""
    return [path.name for path in suite.volumes.iterdir() if ident in path.name]


def _deleted(suite, client, size=1, point=None):
    """Return a volume in the trash, with bytes in it."""
    volume = client.ready_volume(size, metadata={'k': 'v'})
    path = suite.volumes / f'volume-{volume["id"]}'
    with path.open('r+b') as stream:
        stream.write(b'what was written')
    if point:
        with suite.killed_at(point):
            client.delete(f'volumes/{volume["id"]}', expect=202)
        suite.ensure_running()
    else:
        client.delete(f'volumes/{volume["id"]}', expect=202)
    client.wait_gone('volume', volume['id'])
    return volume['id'], path


def _let_age(suite, ident):
    engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)
    with engine.begin() as conn:
        done = conn.execute(sa.text(
            "UPDATE trash SET purge_at = '2020-01-01' WHERE id = :ident"), {'ident': ident})
        assert done.rowcount == 1


def _in_trash(client):
    """Return id -> status, also of what cannot be restored."""
    return {each['id']: each['status'] for status in ('kept', 'purging', 'error_purging',
                                                      'restoring')
            for each in client.get(f'trash?status={status}')['trash']}


@pytest.mark.parametrize('killed', [False, True], ids=['alive', 'killed'])
def test_a_volume_comes_back_with_its_bytes(suite, killed):
    client = suite.client()
    ident, path = _deleted(suite, client, point=POINTS[0] if killed else None)
    assert not path.exists() and len(_files(suite, ident)) == 1
    Oracle(suite).check()
    assert _in_trash(client)[ident] == 'kept'
    place = client.get('scheduler-stats/get_pools')['pools'][0]['name'].replace('#', '%23')
    assert ident not in str(client.get(f'manageable_volumes?host={place}'))
    if killed:
        with suite.killed_at(POINTS[1]):
            client.post(f'volumes/{ident}/restore', {}, expect=202)
        suite.ensure_running()
    else:
        answer = client.post(f'volumes/{ident}/restore', {}, expect=202)
        assert answer['volume']['id'] == ident
    client.wait_for_status('volume', ident, 'available')
    assert path.read_bytes()[:16] == b'what was written'
    assert client.show('volume', ident)['metadata'] == {'k': 'v'}
    assert ident not in _in_trash(client)
    Oracle(suite).check()
    client.action(ident, 'os-force_delete')
    client.wait_gone('volume', ident)
    wait_until(lambda: _files(suite, ident) == [], SECONDS, 'the file to be removed')
    assert ident not in _in_trash(client)


@pytest.mark.parametrize('killed', [False, True], ids=['alive', 'killed'])
def test_age_removes_for_ever(suite, killed):
    client = suite.client()
    ident, _path = _deleted(suite, client)
    if killed:
        with suite.killed_at(POINTS[2]):
            _let_age(suite, ident)
        suite.ensure_running()
    else:
        _let_age(suite, ident)
    wait_until(lambda: ident not in _in_trash(client), SECONDS, 'the trash to be empty')
    assert _files(suite, ident) == []
    Oracle(suite).check()
    client.post(f'volumes/{ident}/restore', {}, expect=404)


def test_a_volume_that_needs_the_space_gets_it(suite):
    client = suite.client()
    oldest, _path = _deleted(suite, client, LARGE)
    newer, _path = _deleted(suite, client, LARGE)
    made = client.ready_volume(LARGE, seconds=SECONDS)
    assert list(_in_trash(client)) == [newer] and _files(suite, oldest) == []
    found = suite.manage('trash', 'list')
    assert newer in found and oldest not in found
    suite.manage('trash', 'purge', newer)
    wait_until(lambda: _in_trash(client) == {}, SECONDS, 'the trash to be empty')
    client.action(made['id'], 'os-force_delete')
    client.wait_gone('volume', made['id'])


def test_a_snapshot_that_needs_the_space_gets_it(suite):
    client = suite.client()
    kept, _path = _deleted(suite, client, LARGE)
    made = client.ready_volume(LARGE)
    snapshot = client.post('snapshots', {'snapshot': {'volume_id': made['id']}},
                           expect=202)['snapshot']
    client.wait_for_status('snapshot', snapshot['id'], 'available')
    assert _in_trash(client) == {} and _files(suite, kept) == []
    Oracle(suite).check()

