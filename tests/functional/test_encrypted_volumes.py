# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes with a real Barbican: whatever is done with them, their data is what the model
says, their header is opened by the key that Barbican holds for them and by no other, and Barbican
holds a key for each that needs one and none besides.

A short slice by default; ENCRYPTION_FULL=yes goes through every verb and both formats, and through
random sequences of them.
"""
import contextlib
import json
import os
import random
import subprocess
import time
import uuid

import pytest
import sqlalchemy as sa

from cinder.brick import disks
from cinder.brick.luks import opening
from cinder.brick.luks.container import EncryptedDisk
from tests.functional.barbican import CALL_SECONDS
from tests.functional.client import CUT_OFF, WrongState
from tests.functional.keystone import KEY_POINTS, SERVICE
from tests.functional.processes import stopped, wait_until

pytestmark = pytest.mark.skipif(
    subprocess.run(['which', 'cryptsetup'], capture_output=True, check=False).returncode != 0,
    reason='cryptsetup is not installed')
FULL = os.environ.get('ENCRYPTION_FULL') == 'yes'
MIB = 1024 ** 2
PLACES = (0, 5 * MIB + 512)
CIPHER = {'cipher': 'aes-xts-plain64', 'key_size': 256, 'control_location': 'front-end'}
FORMATS = ('luks', 'luks2') if FULL else ('luks2',)


class World:
    """What a project has, and what its data must be.

    :ivar data: id of a volume, snapshot or backup -> what lies at PLACES; None: never formatted
    """

    def __init__(self, suite, barbican) -> None:
        self.suite, self.barbican = suite, barbican
        self.admin, self.member = suite.client('project-admin'), suite.client('member')
        self.other = suite.client('other-member')
        for each in (self.admin, self.member, self.other):
            each.headers['OpenStack-API-Version'] = 'volume 3.71'
        self.before, self.data, self.rows = barbican.secret_ids(), {}, {}
        self.volumes, self.snapshots, self.backups = {}, {}, {}
        # id -> client of its owner
        self.owner = {}
        self.types = {name: self._type(name) for name in ('plain', 'luks', 'luks2')}

    def _type(self, name: str) -> str:
        specs = {} if name == 'plain' else {'volume_backend_name': 'files'}
        made = self.admin.post('types', {'volume_type': {
            'name': f'{name}-{uuid.uuid4().hex}', 'extra_specs': specs}})
        ident = made['volume_type']['id']
        if name != 'plain':
            self.admin.post(f'types/{ident}/encryption', {'encryption': {
                'provider': name, **CIPHER}})
        return ident

    # ------------------------------------------------------------------------------ as a host
    def path(self, volume_id: str):
        row = self.admin.show('volume', volume_id)
        name = row.get('os-vol-mig-status-attr:name_id') or volume_id
        found, = (path for path in self.suite.state.rglob(f'volume-{name}') if path.is_file())
        return found

    def key(self, volume_id: str) -> str | None:
        return self.owner[volume_id].show('volume', volume_id).get('encryption_key_id')

    def passphrase(self, key: str, client) -> bytes:
        return self.barbican.payload(key, client.headers['X-Auth-Token']).hex().encode()

    def format(self, volume_id: str, kind: str) -> None:
        """Do what a host does when it attaches a volume for the first time."""
        version = 'luks2' if kind == 'luks2' else 'luks1'
        secret = self.passphrase(self.key(volume_id), self.owner[volume_id])
        self.cryptsetup('luksFormat', volume_id, secret, '--type', version, '--pbkdf', 'pbkdf2',
                        '--pbkdf-force-iterations', '1000')

    def cryptsetup(self, verb: str, volume_id: str, secret: bytes, *arguments: str) -> bool:
        done = subprocess.run(['cryptsetup', '--batch-mode', *verb.split(), *arguments,
                               '--key-file', '-', self.path(volume_id)], input=secret,
                              capture_output=True, check=False)
        return done.returncode == 0

    def opened(self, disk, volume_id: str):
        key = self.key(volume_id)
        if key is None:
            return disk
        secret = self.passphrase(key, self.owner[volume_id])
        found = opening.open_header(disk, secret)
        if found is None:
            return None
        start = found.header.payload
        return EncryptedDisk(disk, found.sectors(), start, self.path(volume_id).stat().st_size
                             - start)

    def write(self, volume_id: str) -> None:
        self.data[volume_id] = [os.urandom(4096) for _place in PLACES]
        with disks.opened(str(self.path(volume_id)), writable=True) as disk:
            inside = self.opened(disk, volume_id)
            for place, data in zip(PLACES, self.data[volume_id], strict=True):
                inside.write(place, data)

    def read(self, volume_id: str):
        with disks.opened(str(self.path(volume_id))) as disk:
            inside = self.opened(disk, volume_id)
            return inside and [inside.read(place, 4096) for place in PLACES]

    # ---------------------------------------------------------------------------------- checks
    def check(self) -> None:
        """Check all data, and all keys."""
        secrets = {}
        for ident in self.volumes:
            key = self.key(ident)
            assert self.read(ident) == self.data[ident], ident
            if key:
                secrets[ident] = self.passphrase(key, self.owner[ident])
        for ident, kind in self.volumes.items():
            if kind == 'plain' or self.data[ident] is None:
                continue
            for secret in {*secrets.values(), b'another'}:
                assert self.cryptsetup('open --test-passphrase', ident, secret) is (
                    secret == secrets[ident]), ident
        if self.held() != self.needed():
            # Only a request of its project can delete a key that a retype has left.
            self.delete('volume', self.create('luks', formats=False))
        wait_until(lambda: self.held() == self.needed(), 20,
                   lambda: f'held {self.held()}, needed {self.needed()}')

    def held(self) -> set[str]:
        return self.barbican.secret_ids() - self.before

    def needed(self) -> set[str]:
        found = set()
        for kind, rows in (('volume', self.volumes), ('backup', self.backups)):
            found |= {self.owner[ident].show(kind, ident).get('encryption_key_id')
                      for ident in rows}
        return found - {None}

    # ----------------------------------------------------------------------------------- verbs
    def create(self, kind: str, formats: bool = True) -> str:
        made = self.member.ready_volume(volume_type=self.types[kind])
        return self._keep_volume(made['id'], kind, None, formats)

    def _keep_volume(self, ident: str, kind: str, data, formats: bool = False) -> str:
        self.volumes[ident], self.owner[ident], self.data[ident] = kind, self.member, data
        if formats:
            if kind != 'plain':
                self.format(ident, kind)
            self.write(ident)
        elif kind == 'plain' and data is None:
            self.data[ident] = [bytes(4096)] * 2
        return ident

    def clone(self, ident: str) -> str:
        made = self.member.ready_volume(None, source_volid=ident)
        return self._keep_volume(made['id'], self.volumes[ident], self.data[ident])

    def snapshot(self, ident: str) -> str:
        made = self.member.ready_snapshot(ident)['id']
        self.snapshots[made], self.data[made] = ident, self.data[ident]
        return made

    def from_snapshot(self, ident: str) -> str:
        made = self.member.ready_volume(None, snapshot_id=ident)
        return self._keep_volume(made['id'], self.volumes[self.snapshots[ident]],
                                 self.data[ident])

    def revert(self, ident: str) -> None:
        volume = self.snapshots[ident]
        self.member.action(volume, 'revert', {'snapshot_id': ident}, expect=202)
        self.member.wait_for_status('volume', volume, 'available')
        self.data[volume] = self.data[ident]

    def extend(self, ident: str) -> None:
        size = self.member.show('volume', ident)['size']
        self.member.action(ident, 'os-extend', {'new_size': size + 1}, expect=202)
        self.member.wait_for_status('volume', ident, 'available')

    def retype(self, ident: str, kind: str) -> None:
        self.member.action(ident, 'os-retype', {
            'new_type': self.types[kind], 'migration_policy': 'on-demand'}, expect=202)
        wait_until(lambda: self.member.show('volume', ident)['status'] != 'retyping', 120,
                   'a retype')
        shown = self.member.show('volume', ident)
        assert shown['status'] == 'available', self.member.messages(ident)
        assert shown['encrypted'] is (kind != 'plain'), self.member.messages(ident)
        if self.data[ident] is None and kind == 'plain':
            self.data[ident] = [bytes(4096)] * 2
        self.volumes[ident] = kind

    def transfer(self, ident: str) -> None:
        offer = self.member.post('volume-transfers', {'transfer': {'volume_id': ident}},
                                 expect=202)['transfer']
        self.other.post(f'volume-transfers/{offer["id"]}/accept',
                        {'accept': {'auth_key': offer['auth_key']}}, expect=202)
        self.owner[ident] = self.other

    def backup(self, ident: str, incremental: bool = False) -> str:
        made = self.member.post('backups', {'backup': {
            'volume_id': ident, 'incremental': incremental, 'name': 'b'}}, expect=202)['backup']
        self.member.wait_for_status('backup', made['id'], 'available', 90)
        self.backups[made['id']], self.owner[made['id']] = self.volumes[ident], self.member
        self.data[made['id']] = self.data[ident]
        return made['id']

    def restore(self, ident: str, volume: str | None = None) -> str:
        where = {} if volume is None else {'volume_id': volume}
        made = self.member.post(f'backups/{ident}/restore', {'restore': where},
                                expect=202)['restore']
        self.member.wait_for_status('volume', made['volume_id'], 'available', 90)
        return self._keep_volume(made['volume_id'], self.backups[ident], self.data[ident])

    def delete(self, kind: str, ident: str) -> None:
        rows = {'volume': self.volumes, 'snapshot': self.snapshots, 'backup': self.backups}[kind]
        client = self.owner.get(ident, self.member)
        client.delete(f'{kind}s/{ident}', expect=202)
        client.wait_gone(kind, ident)
        del rows[ident]

    def group_copies(self, ident: str, of_snapshot: bool) -> list[str]:
        """Return the copy of a volume in a copy of a group, by which it was joined before."""
        kind = self.admin.post('group_types', {'group_type': {
            'name': uuid.uuid4().hex}})['group_type']['id']
        group = self.member.post('groups', {'group': {
            'group_type': kind, 'volume_types': [self.member.show('volume', ident)['volume_type']],
        }}, expect=202)['group']['id']
        self.member.wait_for_status('group', group, 'available')
        self._of_group(group, {'add_volumes': ident})
        source = {'source_group_id': group}
        if of_snapshot:
            made = self.member.post('group_snapshots', {'group_snapshot': {'group_id': group}},
                                    expect=202)['group_snapshot']['id']
            self.member.wait_for_status('group_snapshot', made, 'available')
            source = {'group_snapshot_id': made}
        copy = self.member.post('groups/action', {'create-from-src': source}, expect=202)
        copy = copy['group']['id']
        self.member.wait_for_status('group', copy, 'available')
        found = [each['id'] for each in self.member.get('volumes/detail')['volumes']
                 if each.get('group_id') == copy]
        for each in found:
            self._keep_volume(each, self.volumes[ident], self.data[ident])
            self._of_group(copy, {'remove_volumes': each})
        if of_snapshot:
            self.member.delete(f'group_snapshots/{made}', expect=202)
            self.member.wait_gone('group_snapshot', made)
        self._of_group(group, {'remove_volumes': ident})
        for each in (copy, group):
            self.member.post(f'groups/{each}/action', {'delete': {}}, expect=202)
            self.member.wait_gone('group', each)
        return found

    def _of_group(self, group: str, change: dict) -> None:
        self.member.put(f'groups/{group}', {'group': change}, expect=202)
        self.member.wait_for_status('group', group, 'available')

    def clear(self) -> None:
        for kind, rows in (('snapshot', self.snapshots), ('backup', self.backups),
                           ('volume', self.volumes)):
            for ident in reversed(list(rows)):
                self.delete(kind, ident)
        # A key that only a token of its project may delete goes with the next request.
        self.delete('volume', self.create('luks', formats=False))
        assert self.held() == set()


@pytest.fixture(scope='module')
def creator(identity_service):
    """Give the user of the services the role with which Barbican lets it own keys."""
    role = identity_service.add_role(SERVICE, 'services', 'member')
    yield
    identity_service.call('DELETE', role)


@pytest.fixture
def world(guarded, key_service, creator):
    guarded.ensure_running()
    made = World(guarded, key_service)
    yield made
    made.clear()


@pytest.mark.parametrize('kind', FORMATS)
def test_copies_are_opened_by_keys_of_their_own(world, kind):
    volume = world.create(kind)
    snapshot = world.snapshot(volume)
    copies = [world.clone(volume), world.from_snapshot(snapshot)]
    found = [world.passphrase(world.key(each), world.member) for each in (volume, *copies)]
    assert len(set(found)) == 3
    world.extend(copies[0])
    world.write(volume)
    world.revert(snapshot)
    world.check()
    if FULL:
        copies += world.group_copies(copies[1], of_snapshot=False)
        copies += world.group_copies(copies[1], of_snapshot=True)
    world.transfer(copies[0])
    world.check()


@pytest.mark.parametrize('kind', FORMATS)
def test_backups_keep_readable(world, kind):
    volume = world.create(kind)
    world.backup(volume)
    world.write(volume)
    backup = world.backup(volume, incremental=True)
    world.restore(backup)
    other = world.create(kind)
    world.restore(backup, other)
    world.check()
    world.retype(volume, 'plain')
    world.check()
    world.member.post(f'backups/{backup}/restore', {'restore': {'volume_id': volume}}, expect=400)


@pytest.mark.skipif(not FULL, reason='ENCRYPTION_FULL=yes')
def test_a_volume_that_was_never_formatted(world):
    volume = world.create('luks2', formats=False)
    copy = world.clone(volume)
    world.format(copy, 'luks2')
    world.write(copy)
    world.check()


@pytest.mark.skipif(not FULL, reason='ENCRYPTION_FULL=yes')
def test_every_change_of_the_encryption(world):
    volume = world.create('plain')
    for kind in ('luks', 'luks2', 'luks', 'plain', 'luks2', 'plain'):
        world.retype(volume, kind)
        world.check()


def test_a_key_manager_that_is_away(world, key_service):
    """Every request that needs it says so, and leaves all as it was."""
    volume = world.create('luks2')
    snapshot = world.snapshot(volume)
    world.check()
    rows = json.dumps(world.member.get('volumes/detail')['volumes'], sort_keys=True)
    key_service.stop()
    try:
        kind = {'volume_type': world.types['luks2']}
        for body in ({'size': 1, **kind}, {'source_volid': volume}, {'snapshot_id': snapshot}):
            answer = world.member.request('POST', 'volumes', {'volume': body})
            assert answer.status == 503 and b'key manager' in answer.raw, answer
        for path, body in ((f'volumes/{volume}/action', {'os-retype': {
                'new_type': world.types['luks'], 'migration_policy': 'on-demand'}}),
                           ('volume-transfers', {'transfer': {'volume_id': volume}})):
            answer = world.member.request('POST', path, body)
            assert answer.status == 503 and b'key manager' in answer.raw, answer
        assert json.dumps(world.member.get('volumes/detail')['volumes'], sort_keys=True) == rows
        world.delete('snapshot', snapshot)
        left = world.key(volume)
        world.delete('volume', volume)
    finally:
        key_service.start()
    assert left in world.held()
    world.create('luks2', formats=False)
    world.check()


@pytest.mark.parametrize('point', KEY_POINTS if FULL else KEY_POINTS[1::3])
def test_keys_of_an_api_that_is_killed(world, guarded, point):
    """They have a user, or are deleted with a later request of their project."""
    volume = world.create('luks2', formats=False)
    with guarded.killed_at(point), contextlib.suppress(*CUT_OFF):
        if 'delete' in point:
            world.member.request('DELETE', f'volumes/{volume}')
        elif 'transfer' in point:
            world.member.request('POST', 'volume-transfers', {'transfer': {'volume_id': volume}})
        else:
            world.member.request('POST', 'volumes', {'volume': {
                'size': 1, 'volume_type': world.types['luks2']}})
    guarded.ensure_running()
    _give_up_requests(guarded)
    if 'delete' in point:
        world.member.wait_gone('volume', volume)
        del world.volumes[volume]
    elif 'transfer' in point:
        offer, = world.member.get('volume-transfers')['transfers']
        world.member.delete(f'volume-transfers/{offer["id"]}', expect=202)
    else:
        made = {each['id'] for each in world.member.get('volumes')['volumes']} - {*world.volumes}
        assert len(made) == (point == 'volume.create:api:commit:after')
        for each in made:
            world.member.wait_for_status('volume', each, 'available')
            world._keep_volume(each, 'luks2', None)
    world.delete('volume', world.create('luks2', formats=False))
    wait_until(lambda: world.held() == world.needed(), 20,
               lambda: f'held {world.held()}, needed {world.needed()}')


def _give_up_requests(guarded):
    """Let half an hour pass for requests that have created a key."""
    engine = sa.create_engine(guarded.database)
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE key_intents SET created_at = '2020-01-01', "
                             "updated_at = '2020-01-01'"))
    engine.dispose()


_NOTES = ("INSERT INTO key_intents (id, project_id, abandoned, created_at, updated_at) VALUES "
          "(:ident, :project, false, '2020-01-01', '2020-01-01')",
          "INSERT INTO unused_keys (id, project_id, volume_id, created_at) VALUES "
          "(:ident, :project, :volume, '2020-01-01')")


@pytest.fixture
def administrator(identity_service):
    """Let the user of the services delete the keys of a project."""
    role = identity_service.add_role(SERVICE, 'own', 'admin')
    yield
    identity_service.call('DELETE', role)


def test_keys_of_users_who_never_return(world, guarded, key_service, administrator):
    """The services delete them without a request, but none that has a user."""
    token, mark = world.member.headers['X-Auth-Token'], str(uuid.uuid4())
    volume = world.create('luks2', formats=False)
    used = world.key(volume)
    name = key_service.call('GET', f'/secrets/{used}', token=token)['name']
    uncommitted, unused = (key_service.store(b'k' * 32, token, 'symmetric', name=each)
                           for each in (f'cinder-{mark}', 'of a volume that is gone'))
    assert world.held() == {uncommitted, unused, used}
    engine = sa.create_engine(guarded.database)
    with engine.begin() as conn:
        for statement, idents in zip(_NOTES, ((mark, name.removeprefix('cinder-')),
                                              (unused, used)), strict=True):
            for ident in idents:
                conn.execute(sa.text(statement), {
                    'ident': ident, 'project': guarded.keystone.projects['own'],
                    'volume': volume})

    def notes():
        with engine.connect() as conn:
            return conn.execute(sa.text('SELECT id FROM key_intents UNION '
                                        'SELECT id FROM unused_keys')).scalars().all()
    wait_until(lambda: not notes(), 30, lambda: f'of all notes {notes()} are left')
    engine.dispose()
    assert world.held() == {used}


def test_a_key_manager_that_is_silent(world, key_service, guarded):
    """It accepts connections and does not answer: a request waits once, an operation waits in the
    journal, and what needs no key goes on."""
    volume = world.create('luks2')
    answers, times = [], []
    with contextlib.ExitStack() as silence:
        with stopped(guarded.worker_pids('volume')):
            copy = world.member.post('volumes', {'volume': {'source_volid': volume}},
                                     expect=202)['volume']['id']
            silence.enter_context(key_service.paused())
        for _request in range(3):
            began = time.monotonic()
            answers.append(world.member.request('POST', 'volumes', {'volume': {
                'size': 1, 'volume_type': world.types['luks2']}}))
            times.append(time.monotonic() - began)
        waits = wait_until(lambda: [
            each for each in world.member.get('operations')['operations']
            if each['resource_id'] == copy and each['state'] == 'waiting'], 30, 'the clone to wait')
        world.member.delete(f'volumes/{world.member.ready_volume()["id"]}', expect=202)
    assert [answer.status for answer in answers] == [503] * 3, answers
    assert all(b'key manager is unavailable' in answer.raw for answer in answers)
    assert times[0] < 3 * CALL_SECONDS and times[2] < CALL_SECONDS
    assert waits[0]['reason'] == 'the key manager'
    world.member.wait_for_status('volume', copy, 'available', 60)
    world._keep_volume(copy, 'luks2', world.data[volume])
    world.check()


@pytest.mark.skipif(not FULL, reason='ENCRYPTION_FULL=yes')
@pytest.mark.parametrize('seed', range(4))
def test_a_random_sequence(world, seed):
    chance = random.Random(seed)
    for kind in ('plain', 'luks', 'luks2'):
        world.create(kind)
    for _step in range(15):
        mine = [ident for ident in world.volumes if world.owner[ident] is world.member]
        if not mine:
            mine = [world.create('luks')]
        volume = chance.choice(mine)
        with_snapshots = volume in world.snapshots.values()
        verbs = ['clone', 'snapshot', 'backup', 'extend', 'write']
        if not with_snapshots:
            verbs += ['transfer', 'retype', 'delete']
        if world.backups:
            verbs += ['restore', 'delete backup']
        if world.snapshots:
            verbs += ['from_snapshot', 'delete snapshot']
        verb = chance.choice(verbs)
        try:
            _step_of(world, chance, verb, volume)
        except WrongState as exc:
            raise AssertionError(f'seed {seed}: {verb} of {volume}: {exc}') from exc
        world.check()


def _step_of(world, chance, verb, volume):
    if verb in ('clone', 'snapshot', 'backup', 'extend', 'transfer', 'write'):
        getattr(world, verb)(volume)
    elif verb == 'retype':
        world.retype(volume, chance.choice(
            [kind for kind in world.types if kind != world.volumes[volume]]))
    elif verb == 'restore':
        world.restore(chance.choice(list(world.backups)))
    elif verb == 'from_snapshot':
        world.from_snapshot(chance.choice(list(world.snapshots)))
    else:
        kind = verb.partition(' ')[2] or 'volume'
        rows = {'volume': [volume], 'snapshot': list(world.snapshots),
                'backup': list(world.backups)}[kind]
        world.delete(kind, chance.choice(rows))
