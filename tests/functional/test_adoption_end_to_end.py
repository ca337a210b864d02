# SPDX-License-Identifier: Apache-2.0
"""A cloud moves in, and back: the original from PyPI with one of everything stops, its database is
adopted, this service starts on the same files, and every GET of the API answers as before. Then the
original starts again on its own database.

The tests follow each other: each begins where the one before ended. ADOPTION_FULL=yes runs all on
PostgreSQL, and from MySQL, as well. PEER names an environment with the original, or is `no`.
"""
import datetime
import json
import os
import pathlib
import shutil
import subprocess

import pytest
import sqlalchemy as sa

from cinder.cmd import api_differences, api_walk
from cinder.db import models
from tests.functional import backup_peer, inventory, storage
from tests.functional.client import Client
from tests.functional.inventory import ADMIN, BLUE, RED
from tests.functional.original import FIXED_KEY, HOST, Original
from tests.functional.processes import wait_until
from tests.functional.suite import WITH_BACKUP, Node, Suite, script
from tools.initiator import Device

FULL = os.environ.get('ADOPTION_FULL') == 'yes'
# Where the original is, and where we are.
ENGINES = [('mariadb', 'postgresql'), *(
    [('postgresql', 'mariadb'), ('old_mysql', 'postgresql')] if FULL else [])]
POOLS = {f'{HOST}@files#pool0': f'{HOST}@files#files'}
TOKEN = f'root:{ADMIN}'
# The original asks a Keystone for default types of projects, and there is none.
NO_KEYSTONE = ('default-types/',)
pytestmark = pytest.mark.timeout(900)


class Ours(Suite):
    """An installation on the files of the original."""

    def knows_pools(self) -> bool:
        """Return whether the scheduler knows the pool that is not disabled."""
        pools = self.client().get('scheduler-stats/get_pools')['pools']
        return [pool['name'] for pool in pools] == list(POOLS.values())


class Move:
    """The original and what was recorded of it, and our installation on its files."""

    def __init__(self, original: Original, suite: Suite) -> None:
        self.original, self.suite = original, suite
        self.made = inventory.Maker(original).make()
        self.ids, self.contents = self.made.ids, self.made.contents
        # The newest last: the original writes the time of an export into the row of a backup.
        self.walks = {version: self.walk(original.endpoint, version)
                      for version in ('3.0', api_walk.Api(f'{original.endpoint}/v3/{ADMIN}',
                                                          TOKEN).microversion)}

    @staticmethod
    def walk(endpoint: str, version: str) -> dict:
        return dict(api_walk.walk(api_walk.Api(f'{endpoint}/v3/{ADMIN}', TOKEN, version)))

    def differences(self, endpoint: str, version: str, exported: bool,
                    pools: dict[str, str] = POOLS) -> list[api_differences.Difference]:
        """Return what is not as it was and not meant to differ.

        :param exported: whether the original has exported its backups since, which it notes
        """
        return [each for each in api_differences.compare(
            self.walks[version], self.walk(endpoint, version), lambda text: pools.get(text, text))
            if each.reason is None and not each.path.startswith(NO_KEYSTONE)
            and not (exported and each.path.startswith('backups')
                     and each.place.endswith('.updated_at'))]

    def client(self, project: str = RED, **kwargs) -> Client:
        return self.suite.client(project=project, **kwargs)

    def adopt(self, *words: str, config: pathlib.Path | None = None, mapped: bool = True
              ) -> subprocess.CompletedProcess:
        """Run `cinder-manage db adopt` with the source."""
        mapping = [f'--map-host={old}={new}' for old, new in POOLS.items()] if mapped else []
        return self.run('cinder-manage', 'db', 'adopt', self.original.database, *mapping, *words,
                        config=config)

    def run(self, program: str, *words: str, config: pathlib.Path | None = None
            ) -> subprocess.CompletedProcess:
        config = config or self.suite.directory / f'{HOST}.conf'
        return subprocess.run([script(program), '--config-file', config, *words],
                              capture_output=True, text=True, check=False, timeout=300,
                              env=os.environ | {'OS_TOKEN': TOKEN})


def rows(url: str) -> dict[str, list]:
    """Return all rows of our tables; those that quota check makes are locks."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        return {table.name: sorted(map(repr, conn.execute(sa.select(table))))
                for table in models.metadata.sorted_tables if table.name != 'quota_locks'}


def differing(one: dict[str, list], other: dict[str, list]) -> dict[str, tuple[set, set]]:
    """Return table -> the rows that only one side has."""
    return {name: (set(one[name]) - set(other[name]), set(other[name]) - set(one[name]))
            for name in one if one[name] != other[name]}


@pytest.fixture(scope='module', params=ENGINES, ids='-to-'.join)
def move(request, workspace, broker):
    """The original with one of everything, stopped again, and an installation that is not
    started."""
    try:
        python = backup_peer.python()
    except backup_peer.Unavailable as exc:
        pytest.skip(str(exc))
    theirs, ours = map(request.getfixturevalue, request.param)
    name = 'adoption_' + request.param[0]
    original = Original(python, workspace / name, theirs.url(f'{name}_original'),
                        broker.url(f'{name}-original'))
    folders = {backend: {'file_volume_dir': original.root(backend), 'target_helper': 'local'}
               for backend in original.backends}
    suite = Ours(workspace / f'{name}-ours', ours.url(name), broker.url(name),
                 nodes=[Node(HOST, WITH_BACKUP)], backends=original.backends, faults=False,
                 options={'DEFAULT': {'snapshot_name_template': '_snapshot-%s',
                                      'backup_posix_path': original.folder / 'backups'},
                          'key_manager': {'fixed_key': FIXED_KEY}, **folders})
    try:
        original.manage('db', 'sync')
        original.start()
        made = Move(original, suite)
        original.stop()
        yield made
    finally:
        original.stop()
        suite.stop()


def last_reports(move: Move, age: datetime.timedelta) -> None:
    """Let the last reports of the services of the original have an age."""
    engine = sa.create_engine(move.original.database, poolclass=sa.pool.NullPool)
    with engine.begin() as conn:
        conn.execute(sa.text('UPDATE services SET updated_at = :at'), {
            'at': datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - age})


def test_the_check_refuses_while_services_report(move):
    # As of services that run, however long this machine takes to stop them.
    last_reports(move, datetime.timedelta(minutes=-5))
    done = move.adopt('--check', '--json')
    told = json.loads(done.stdout)
    assert (done.returncode, told['status']) == (2, 2), done.stderr
    found = {each['code']: each for each in told['findings']}
    assert set(found) == {'services-up', 'pending-transfer', 'quota-drift'}
    assert set(found['services-up']['ids']) == {
        f'cinder-{name} on {HOST}{backend}' for name, backend in (
            ('scheduler', ''), ('backup', ''), ('volume', '@files'), ('volume', '@second'))}
    assert move.adopt().returncode == 2
    last_reports(move, datetime.timedelta(minutes=5))
    status = move.run('cinder-status', 'adopt', 'check', move.original.database)
    assert status.returncode == 1 and '0 refusals, 2 warnings' in status.stdout


def test_our_programs_do_not_touch_its_database(move, tmp_path):
    config = tmp_path / 'cinder.conf'
    text = (move.suite.directory / f'{HOST}.conf').read_text()
    config.write_text(text.replace(move.suite.database, move.original.database))
    before = _dump(move.original.database)
    for program, *words in (('cinder-manage', 'db', 'sync'), ('cinder-volume',),
                            ('cinder-status', 'upgrade', 'check')):
        done = move.run(program, *words, config=config)
        assert done.returncode and 'cinder-manage db adopt' in done.stderr, program
    assert _dump(move.original.database) == before


def _dump(url: str) -> dict[str, list]:
    """Return all rows of a database."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    with engine.connect() as conn:
        return {table.name: sorted(map(repr, conn.execute(sa.select(table))))
                for table in metadata.sorted_tables}


def test_adoption_killed_and_resumed_and_repeated(move, tmp_path):
    before = _dump(move.original.database)
    flag, config = tmp_path / 'flag', tmp_path / 'cinder.conf'
    text = (move.suite.directory / f'{HOST}.conf').read_text()
    config.write_text(text.replace('[DEFAULT]\n', '[DEFAULT]\nfault_points = '
                                   f'adopt.batch:after=kill@{flag}\n', 1))
    for _ in range(2):
        flag.touch()
        assert move.adopt(config=config).returncode == -9
    done = move.adopt()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'counts: 0 differences; quota check: 0' in done.stdout
    assert 'findings' in done.stdout and ': 0 findings' in done.stdout
    first = rows(move.suite.database)
    assert move.adopt().returncode == 0
    found = differing(first, rows(move.suite.database))
    assert not found, found
    # The fence is the only change of the source.
    assert _dump(move.original.database) == before
    done = move.adopt('--fence')
    assert done.returncode == 0
    found = differing(first, rows(move.suite.database))
    assert not found, found
    after = _dump(move.original.database)
    assert set(differing(before, after)) == {'services'}
    kept = json.loads((move.suite.state / 'adoption.json').read_text())
    assert sum(each['target'] for each in kept['counts'] if each['kind'] == 'volumes') > 20


def test_every_answer_is_as_before(move):
    move.suite.start()
    newest = list(move.walks)[-1]
    for version in move.walks:
        found = move.differences(move.suite.endpoint, version, version != newest)
        assert not found, f'{version}: ' + '\n'.join(map(str, found))


def test_the_bytes_are_the_same(move):
    admin = move.client(ADMIN)
    attached = {row['volume_id']: row for row in admin.get(
        'attachments/detail?all_tenants=1')['attachments']}
    compared = 0
    for row in admin.get('volumes/detail?all_tenants=1')['volumes']:
        if row['id'] not in move.contents:
            continue
        client = move.client(row['os-vol-tenant-attr:tenant_id'])
        if row['id'] in attached:
            device = Device(attached[row['id']]['connection_info'])
            assert device.read(1) == move.contents[row['id']], row['name']
        else:
            assert storage.read(client, row['id']) == move.contents[row['id']], row['name']
        compared += 1
    assert compared >= 8
    red = move.client()
    made = red.create_volume(1, snapshot_id=move.ids['snap'])['id']
    restored = red.create_volume(1)['id']
    for volume in (made, restored):
        red.wait_for_status('volume', volume, 'available')
    red.post(f'backups/{move.ids["backup increment"]}/restore',
             {'restore': {'volume_id': restored}}, expect=202)
    assert storage.read(red, made) == move.contents[move.ids['snap']]
    wait_until(lambda: red.show('volume', restored)['status'] == 'available', 60, 'the restore')
    assert storage.read(red, restored) == move.contents[move.ids['odd']]
    for volume in (made, restored):
        red.delete(f'volumes/{volume}')
        red.wait_gone('volume', volume)


def test_the_way_back_is_told(move):
    red = move.client()
    made = red.ready_volume(1, name='since')
    storage.write(red, made['id'], content := storage.sample())
    move.ids['since'], move.contents[made['id']] = made['id'], content
    done = move.adopt('--diff')
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith('#')]
    assert len(lines) == 1 and f'volume-{made["id"]}' in lines[0] and '--name since' in lines[0]
    assert f'{HOST}@' in lines[0]
    # What the next test deletes comes back for the last one.
    for folder in ('volumes', 'backups'):
        path = move.original.folder / folder
        subprocess.run(['cp', '-a', '--sparse=always', path, f'{path}.kept'], check=True)


def test_all_of_it_can_be_worked_with_and_deleted(move):
    red, blue, admin, ids = move.client(), move.client(BLUE), move.client(ADMIN), move.ids
    # A transfer of the original is accepted with its key.
    blue.post(f'volume-transfers/{ids["transfer gift"]}/accept',
              {'accept': {'auth_key': ids['key gift']}}, expect=202)
    admin.delete(f'volume-transfers/{ids["transfer late gift"]}')
    # Detach; a new attachment works.
    for row in admin.get('attachments/detail?all_tenants=1')['attachments']:
        if row['volume_id'] != ids['legacy']:
            admin.delete(f'attachments/{row["id"]}')
    red.action(ids['legacy'], 'os-terminate_connection', {'connector': inventory.CONNECTOR})
    red.action(ids['legacy'], 'os-detach', {})
    for name in ('attached', 'shared', 'legacy', 'reserved', 'attaching', 'hosted'):
        red.wait_for_status('volume', ids[name], 'available')
    assert storage.read(red, ids['attached']) == move.contents[ids['attached']]
    # Extend and snapshot, also the volume that has the name of another on the storage.
    for name in ('odd', 'moving', 'encrypted'):
        red.action(ids[name], 'os-extend', {'new_size': 3})
        red.wait_for_status('volume', ids[name], 'available')
        red.ready_snapshot(ids[name], name='new')
    assert storage.read(red, ids['moving']) == move.contents[ids['moving']]
    _delete_all(admin, blue)
    left = [path for backend in move.original.backends
            for path in move.original.root(backend).iterdir()]
    # A volume of which the original forgot the file has none here.
    assert not left, left
    move.suite.stop()


def _delete_all(admin: Client, blue: Client) -> None:
    everything = '?all_tenants=1'
    for row in admin.get(f'group_snapshots{everything}')['group_snapshots']:
        admin.delete(f'group_snapshots/{row["id"]}')
        admin.wait_gone('group_snapshot', row['id'])
    newest_first = admin.get(f'backups/detail{everything}&sort=created_at:desc')['backups']
    for row in newest_first:
        admin.delete(f'backups/{row["id"]}')
        admin.wait_gone('backup', row['id'])
    for row in admin.get(f'snapshots{everything}')['snapshots']:
        admin.delete(f'snapshots/{row["id"]}')
    wait_until(lambda: not admin.get(f'snapshots{everything}')['snapshots'], 60, 'no snapshots')
    for row in admin.get(f'groups{everything}')['groups']:
        admin.post(f'groups/{row["id"]}/action', {'delete': {'delete-volumes': True}})
    wait_until(lambda: not admin.get(f'groups{everything}')['groups'], 60, 'no groups')
    for row in admin.get(f'volumes/detail{everything}')['volumes']:
        if row['status'] in ('maintenance', 'error_restoring', 'error_deleting'):
            admin.action(row['id'], 'os-reset_status', {'status': 'error'})
        admin.delete(f'volumes/{row["id"]}')
    wait_until(lambda: not admin.get(f'volumes{everything}')['volumes'], 60, lambda: admin.get(
        f'volumes/detail{everything}'))
    for row in admin.get('types?is_public=None')['volume_types']:
        if row['name'] not in ('__DEFAULT__', 'second'):
            admin.delete(f'types/{row["id"]}')
    admin.delete(f'default-types/{BLUE}')


def test_the_original_starts_again(move):
    original = move.original
    for folder in ('volumes', 'backups'):
        path = original.folder / folder
        shutil.rmtree(path)
        shutil.move(f'{path}.kept', path)
    assert move.adopt('--unfence').returncode == 0
    original.start()
    found = move.differences(original.endpoint, list(move.walks)[-1], exported=True, pools={})
    assert not found, '\n'.join(map(str, found))
    # What was made since is managed, and what was there works.
    red, new = original.client(project=RED, pause=0.2), f'volume-{move.ids["since"]}'
    made = red.post('os-volume-manage', {'volume': {
        'host': f'{HOST}@files#pool0', 'ref': {'source-name': new}, 'name': 'since'}},
        expect=202)['volume']
    red.wait_for_status('volume', made['id'], 'available', 60)
    path, = original.folder.glob(f'volumes/*/*{made["id"]}')
    with path.open('rb') as file:
        assert file.read(2**20) == move.contents[move.ids['since']]
    snapshot = red.create_snapshot(move.ids['odd'], name='back')
    red.wait_for_status('snapshot', snapshot['id'], 'available', 60)
    red.delete(f'snapshots/{snapshot["id"]}')
    red.wait_gone('snapshot', snapshot['id'], 60)
    original.stop()
