# SPDX-License-Identifier: Apache-2.0
"""Two backup hosts with backups in a pool of Ceph, of volumes on RBD and in files: through the API,
killed at some steps, killed for ever, and without an answer of the cluster.

CEPH_FULL=1 kills at every point.
"""
import os
import random

import pytest

from cinder.brick.ceph import address, image_disk
from cinder.brick.ceph.cluster import Settings
from tests.functional import ceph, test_backups
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import WITH_BACKUP, Node, Suite
from tests.functional.test_backups import MIB, back_up, ready, restore

POINTS = {
    'backup.create': ('write', 'object', 'snapshot', 'metadata', 'finish'),
    'backup.restore': ('object', 'finish'),
    'backup.delete': ('store', 'object', 'finish')}
ALL = [f'{verb}:{step}:{when}' for verb, steps in POINTS.items() for step in steps
       for when in ('before', 'after')]
SOME = ['backup.create:snapshot:before', 'backup.create:finish:before',
        'backup.restore:object:after', 'backup.delete:object:after']
# Of the other drivers, for a volume on RBD.
CHUNKED = [f'backup.create:{step}:{when}' for step in ('object', 'progress', 'digests', 'metadata')
           for when in ('before', 'after')]
FULL = bool(os.environ.get('CEPH_FULL'))
TAKEN_OVER = test_backups.TAKEN_OVER


class Hosts(Suite):
    """One host with everything, and another one that only makes backups."""

    def __init__(self, *args, lab, **kwargs):
        self.lab = lab
        super().__init__(*args, **kwargs)

    def _fault_points(self) -> list[str]:
        return [f'{name}=kill@{self.flags / name}' for name in {*ALL, *CHUNKED}]

    def opened(self, volume, writable=False):
        place = address.Address('volumes', f'volume-{volume["id"]}', settings=Settings(
            ceph.USER, str(self.lab.conf), self.lab.name))
        return image_disk.opened(place, writable)

    def backups_stored(self) -> list[str]:
        """Return what is in the pool of backups."""
        return self.lab.rbd('ls', 'backups').split()

    def kept(self, volume) -> list[str]:
        """Return the snapshots in the image of a volume."""
        found = self.lab.rbd('snap', 'ls', f'volumes/volume-{volume["id"]}').splitlines()[1:]
        return [line.split()[1] for line in found]


@pytest.fixture(scope='module')
def running(installation, postgresql, ceph_cluster):
    options = {'DEFAULT': {
        **test_backups.OPTIONS['DEFAULT'],
        'backup_driver': 'cinder.backup.drivers.ceph.CephBackupDriver',
        'backup_ceph_conf': ceph_cluster.conf, 'backup_ceph_user': ceph.USER,
        'backup_driver_init_check_interval': 5, 'backup_driver_stats_polling_interval': 10},
        'ceph': ceph.options(ceph_cluster)}
    with installation('ceph-backups', postgresql.url('ceph_backups'), kind=Hosts, options=options,
                      lab=ceph_cluster, backends=('ceph', 'files'),
                      nodes=[Node('node1', WITH_BACKUP), Node('node2', ('backup',))]) as suite:
        client = suite.client()
        for name in suite.backends:
            client.post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        yield suite


@pytest.fixture
def suite(running):
    running.ensure_running()
    before = running.backups_stored()
    yield running
    assert running.backups_stored() == before


class Data(test_backups.Data):
    """Content of an image."""

    def write(self, disk) -> None:
        for offset, data in self.ranges.items():
            disk.write(offset, data)
        disk.flush()

    def check(self, disk) -> None:
        for offset, data in self.ranges.items():
            assert disk.read(offset, len(data)) == data, offset
        mapped = sum(length for _offset, length in disk.ranges(0, disk.size()))
        # The smallest unit of an OSD is larger than a byte.
        assert mapped <= sum(map(len, self.ranges.values())) + MIB


@pytest.fixture
def volume(client, suite):
    """A volume on RBD with data; return both."""
    made, data = client.ready_volume(volume_type='ceph'), Data(random.randrange(2 ** 32))
    with suite.opened(made, writable=True) as disk:
        data.write(disk)
    return made, data


def delete_all(client, *backups):
    for ident in backups:
        client.delete(f'backups/{ident}')
        client.wait_gone('backup', ident, TAKEN_OVER)


def restored(client, suite, backup, data):
    """Restore a backup to a new volume on RBD and compare."""
    made = client.ready_volume(volume_type='ceph')
    restore(client, backup, volume_id=made['id'])
    ready(client, 'volume', made['id'])
    ready(client, 'backup', backup)
    with suite.opened(made) as disk:
        data.check(disk)
    client.delete(f'volumes/{made["id"]}')


def test_a_volume_on_rbd(suite, client, volume):
    made, data = volume
    full = ready(client, 'backup', back_up(client, made))
    assert full['container'] == 'backups' and full['object_count'] >= 4
    other = Data(2)
    other.ranges = {**data.ranges, 5 * MIB: b'new' * 1000}
    first = data.ranges[0]
    other.ranges[0] = first[:5 * MIB] + b'new' * 1000 + first[5 * MIB + 3000:]
    del other.ranges[5 * MIB]
    with suite.opened(made, writable=True) as disk:
        other.write(disk)
    child = ready(client, 'backup', back_up(client, made, incremental=True))
    # Objects that did not change are not read.
    assert 0 < child['object_count'] <= full['object_count']
    assert [name[:43] for name in suite.kept(made)] == [
        f'backup.{backup["id"]}' for backup in (full, child)]
    wait_until(lambda: not client.get(f'snapshots?volume_id={made["id"]}')['snapshots'], 20,
               'the temporary snapshots to go')
    assert len(suite.backups_stored()) == 1
    restored(client, suite, full['id'], data)
    restored(client, suite, child['id'], other)
    refused = client.delete(f'backups/{full["id"]}', expect=400)
    assert child['id'] in str(refused)
    delete_all(client, child['id'])
    wait_until(lambda: len(suite.kept(made)) == 1, 10, 'the snapshot of the backup to go')
    # The volume goes with what is kept in it; the backup stays.
    client.delete(f'volumes/{made["id"]}')
    client.wait_gone('volume', made['id'])
    restored(client, suite, full['id'], data)
    delete_all(client, full['id'])


def test_a_volume_in_a_file_and_a_snapshot(suite, client):
    made, data = client.ready_volume(volume_type='files'), test_backups.Data(3)
    path = suite.volumes / f'volume-{made["id"]}'
    data.write(path)
    full = ready(client, 'backup', back_up(client, made))['id']
    data.ranges[20 * MIB] = b'new' * MIB
    data.write(path)
    child = ready(client, 'backup', back_up(client, made, incremental=True))['id']
    path.write_bytes(b'')
    os.truncate(path, 2 ** 30)
    restore(client, child, volume_id=made['id'])
    ready(client, 'volume', made['id'])
    ready(client, 'backup', child)
    data.check(path)
    done = suite.manage('backup', 'verify', child)
    assert '0 faults' in done
    delete_all(client, child, full)
    client.delete(f'volumes/{made["id"]}')


@pytest.mark.parametrize('point', ALL if FULL else SOME)
def test_killed_at(suite, client, volume, point):
    made, data = volume
    verb = point.split(':')[0]
    backup = ready(client, 'backup', back_up(client, made))['id']
    if verb == 'backup.create':
        # Without a change the incremental backup has no object; this is a whole one.
        data.ranges[500 * MIB] = b'news' * MIB
        with suite.opened(made, writable=True) as disk:
            disk.write(500 * MIB, data.ranges[500 * MIB])
            disk.flush()
        with suite.killed_at(point):
            child = back_up(client, made, incremental=True)
        suite.ensure_running()
        ready(client, 'backup', child)
        assert len(suite.kept(made)) == 2
        restored(client, suite, child, data)
        delete_all(client, child, backup)
    elif verb == 'backup.restore':
        other = client.ready_volume(volume_type='ceph')
        with suite.killed_at(point):
            restore(client, backup, volume_id=other['id'])
        suite.ensure_running()
        ready(client, 'volume', other['id'])
        with suite.opened(other) as disk:
            data.check(disk)
        ready(client, 'backup', backup)
        delete_all(client, backup)
    else:
        with suite.killed_at(point):
            client.delete(f'backups/{backup}')
        suite.ensure_running()
        client.wait_gone('backup', backup, TAKEN_OVER)


@pytest.fixture(scope='module')
def chunked(installation, postgresql, ceph_cluster):
    """Backups in files, of volumes on RBD."""
    options = {**test_backups.OPTIONS, 'ceph': ceph.options(ceph_cluster)}
    with installation('ceph-chunked', postgresql.url('ceph_chunked'), kind=Hosts, options=options,
                      lab=ceph_cluster, backends=('ceph',),
                      nodes=[Node('node1', WITH_BACKUP)]) as suite:
        suite.client().post('types', {'volume_type': {'name': 'ceph'}})
        yield suite


@pytest.mark.skipif(not FULL, reason='an installation of its own; CEPH_FULL=1 runs it')
@pytest.mark.parametrize('point', CHUNKED)
def test_killed_amid_pieces(chunked, point):
    client, data = chunked.client(), Data(4)
    made = client.ready_volume(volume_type='ceph')
    with chunked.opened(made, writable=True) as disk:
        data.write(disk)
    with chunked.killed_at(point, 60):
        backup = back_up(client, made)
    chunked.ensure_running()
    ready(client, 'backup', backup)
    wait_until(lambda: not client.get(f'snapshots?volume_id={made["id"]}')['snapshots'], 60,
               'the temporary snapshot to go')
    restored(client, chunked, backup, data)
    delete_all(client, backup)
    assert not [path for path in (chunked.state / 'backups').rglob('*') if path.is_file()]
    client.delete(f'volumes/{made["id"]}')
    client.wait_gone('volume', made['id'])
    Oracle(chunked).check()


def test_a_host_that_is_killed_for_ever(suite, client, volume):
    """The other one takes what it was doing and what waited for it, restores and deletes."""
    made, data = volume
    with suite.killed_at('backup.create:object:after'):
        backups = [back_up(client, made) for _number in range(3)]
    for backup in backups:
        ready(client, 'backup', backup)
    dead, = (process for process in ('backup', 'backup-node2')
             if not suite.processes[process].running)
    assert len(suite.kept(made)) == 3
    restored(client, suite, backups[-1], data)
    delete_all(client, *backups)
    assert not suite.processes[dead].running


def test_a_cluster_that_does_not_answer(suite, client, volume, ceph_cluster):
    """The operation waits, the service says why it is down, and all goes on by itself. No key is
    in a log."""
    made, data = volume
    ready(client, 'backup', full := back_up(client, made))
    ceph_cluster.kill('osd.0')
    try:
        backups = {('cinder-backup', f'node{number}') for number in (1, 2)}
        client.delete(f'backups/{full}')
        wait_until(lambda: not backups & suite.up(), 60, 'the services to be down')
        assert client.show('backup', full)['status'] == 'deleting'
    finally:
        ceph_cluster.start_daemon('osd.0')
        ceph_cluster.wait_up()
    assert ceph_cluster.pid('osd.0')
    client.wait_gone('backup', full, TAKEN_OVER)
    wait_until(lambda: backups <= suite.up(), 60, 'the services to be up')
    key = ceph_cluster.key(ceph.USER)
    assert not [path for path in (suite.directory / 'logs').iterdir() if key in path.read_text()]
