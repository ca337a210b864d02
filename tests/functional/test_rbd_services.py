# SPDX-License-Identifier: Apache-2.0
"""Two volume services on pools of one Ceph cluster, as a cluster of hosts: images, migrations,
groups, and a host that is gone for ever."""
import collections
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from cinder.brick import disks
from cinder.brick.ceph.address import Address
from cinder.brick.ceph.cluster import Settings
from tests.functional import ceph, glance
from tests.functional.processes import stopped, wait_until
from tests.functional.suite import Node, Suite

MIB = 1024 ** 2
GIB = 1024 ** 3
BACKENDS = ('ceph', 'spare', 'files')
# Other tests leave images in other pools.
POOL = 'hosts'


@pytest.fixture(scope='module')
def pictures(workspace, ceph_cluster) -> Iterator[glance.Glance]:
    """A Glance with a store in the pool images."""
    with glance.running(workspace / 'glance-rbd', rbd={
            'rbd_store_pool': 'images', 'rbd_store_user': ceph.USER,
            'rbd_store_ceph_conf': str(ceph_cluster.conf)}) as server:
        yield server


@pytest.fixture(scope='module')
def suite(installation, postgresql, ceph_cluster, pictures) -> Iterator[Suite]:
    options = {'DEFAULT': {'glance_api_servers': pictures.url},
               'ceph': ceph.options(ceph_cluster, POOL),
               'spare': ceph.options(ceph_cluster, 'spare')}
    with installation('rbd', postgresql.url('rbd'), backends=BACKENDS, options=options,
                      nodes=[Node('node1'), Node('node2', ('volume',))]) as made:
        client = made.client()
        for name in BACKENDS:
            client.post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        client.post('types', {'volume_type': {'name': 'any'}})
        yield made


@pytest.fixture
def client(suite):
    suite.ensure_running()
    return suite.client()


@pytest.fixture(scope='module')
def contents(ceph_cluster, suite):
    """Open the data of a volume, whatever back end it lies on."""
    def where(volume, pool=POOL):
        address = ceph_address(ceph_cluster, pool, f'volume-{volume["id"]}')
        return disks.opened(address, writable=True)
    return where


def ceph_address(cluster, pool: str, name: str) -> str:
    return str(Address(pool, name, settings=Settings(ceph.USER, str(cluster.conf), cluster.name)))


def test_hosts_are_named_as_in_the_original(client):
    pools = client.get('scheduler-stats/get_pools')['pools']
    assert {pool['name'].partition('@')[2] for pool in pools} == {f'{name}#{name}'
                                                                  for name in BACKENDS}


class TestImages:
    picture = os.urandom(MIB) + bytes(5 * MIB) + os.urandom(MIB)

    def test_one_in_the_cluster_is_cloned(self, client, pictures, contents, ceph_cluster):
        image = pictures.add(self.picture, store='ceph', os_type='plan9')
        assert image['direct_url'].startswith('rbd://')
        volume = client.ready_volume(2, imageRef=image['id'], volume_type='ceph')
        name = f'{POOL}/volume-{volume["id"]}'
        assert f'parent: images/{image["id"]}@snap' in ceph_cluster.rbd('info', name)
        assert '"used_size":0' in ceph_cluster.rbd('du', name, '--format', 'json')
        with contents(volume) as disk:
            assert disk.size() == 2 * GIB
            assert disk.read(0, len(self.picture)) == self.picture
        assert volume['bootable'] == 'true'
        assert volume['volume_image_metadata']['os_type'] == 'plan9'

    @pytest.mark.parametrize(('store', 'disk_format'), [('files', 'raw'), ('ceph', 'qcow2')])
    def test_another_one_is_copied(self, client, pictures, contents, ceph_cluster, tmp_path, store,
                                   disk_format):
        (tmp_path / 'raw').write_bytes(self.picture)
        subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', disk_format,
                        tmp_path / 'raw', tmp_path / 'image'], check=True)
        image = pictures.add(tmp_path / 'image', disk_format, store=store)
        volume = client.ready_volume(imageRef=image['id'], volume_type='ceph')
        assert 'parent' not in ceph_cluster.rbd('info', f'{POOL}/volume-{volume["id"]}')
        with contents(volume) as disk:
            assert disk.read(0, len(self.picture)) == self.picture

    def test_a_volume_becomes_an_image(self, client, pictures, contents):
        volume = client.ready_volume(volume_type='ceph')
        with contents(volume) as disk:
            disk.write(17 * MIB, self.picture)
            disk.flush()
        image = client.action(volume['id'], 'os-volume_upload_image', {
            'image_name': 'copy', 'disk_format': 'qcow2', 'force': False,
        })['os-volume_upload_image']
        client.wait_for_status('volume', volume['id'], 'available')
        copy = client.ready_volume(imageRef=image['image_id'], volume_type='ceph')
        with contents(copy) as disk:
            assert disk.read(17 * MIB, len(self.picture)) == self.picture
            assert disk.read(0, MIB) == bytes(MIB)

    def test_a_volume_is_overwritten_with_one(self, client, pictures, contents):
        volume = client.ready_volume(volume_type='ceph')
        with contents(volume) as disk:
            disk.write(0, b'x' * 32 * MIB)
            disk.flush()
        image = pictures.add(self.picture, store='ceph')
        client.action(volume['id'], 'os-reimage', {'image_id': image['id']})
        client.wait_for_status('volume', volume['id'], 'available')
        with contents(volume) as disk:
            assert disk.read(0, 32 * MIB) == self.picture.ljust(32 * MIB, b'\0')


class TestMigrations:
    """Data and holes arrive, whoever copies."""

    @pytest.fixture(scope='class')
    def moved(self, suite):
        """A volume with data, which the tests move on from where it is."""
        client = suite.client()
        made = client.ready_volume(volume_type='any')
        if not made['os-vol-host-attr:host'].endswith('#ceph'):
            migrate(client, made['id'], 'ceph')
        return made

    @pytest.mark.parametrize(('target', 'force'), [
        ('spare', False), ('files', False), ('ceph', False), ('spare', True)])
    def test_one(self, client, suite, moved, ceph_cluster, target, force):
        before = client.show('volume', moved['id'])
        source = before['os-vol-host-attr:host'].partition('#')[2]
        with place(suite, ceph_cluster, source, before) as disk:
            disk.write(MIB, os.urandom(MIB))
            disk.write(900 * MIB, os.urandom(MIB))
            disk.flush()
            expected = [disk.read(start * MIB, 2 * MIB) for start in (0, 500, 900)]
        after = migrate(client, moved['id'], target, force)
        with place(suite, ceph_cluster, target, after) as disk:
            assert [disk.read(start * MIB, 2 * MIB) for start in (0, 500, 900)] == expected
            assert sum(length for _offset, length in disk.ranges(0, GIB)) <= 32 * MIB

    def test_a_retype(self, client):
        volume = client.ready_volume(volume_type='spare')
        client.action(volume['id'], 'os-retype', {'new_type': 'ceph',
                                                  'migration_policy': 'on-demand'})
        after = wait_moved(client, volume['id'], 'ceph')
        assert after['volume_type'] == 'ceph'


def migrate(client, ident, backend, force=False):
    client.action(ident, 'os-migrate_volume', {
        'cluster': f'cluster@{backend}#{backend}', 'force_host_copy': force, 'lock_volume': True})
    return wait_moved(client, ident, backend)


def place(suite, cluster, backend, volume):
    name = f'volume-{volume["os-vol-mig-status-attr:name_id"] or volume["id"]}'
    pool = {'ceph': POOL, 'spare': 'spare'}.get(backend)
    return disks.opened(ceph_address(cluster, pool, name) if pool
                        else str(suite.folder(backend) / name), writable=True)


def wait_moved(client, ident, backend):
    def arrived():
        found = client.show('volume', ident)
        assert found['migration_status'] != 'error', client.messages(ident)
        return found['os-vol-host-attr:host'].endswith(f'#{backend}') and found[
            'status'] == 'available' and found['migration_status'] in (None, 'success')
    wait_until(arrived, 60, lambda: f'{client.show("volume", ident)}', pause=0.1)
    return client.show('volume', ident)


def ended(text: str, what: str = 'ends') -> collections.Counter[str]:
    """How many operations on each resource have ended, or begun, according to a log."""
    return collections.Counter(re.findall(
        rf' of (?:volume|snapshot) (\S+) {what} \(execute', text))


class TestHosts:
    """Two hosts work on one pool; nothing of their work is on one of them only."""

    def test_one_that_is_killed_for_ever_with_its_work(self, suite, client):
        ready = [client.ready_volume(volume_type='ceph')['id'] for _number in range(30)]
        gone, grown, held = ready[:10], ready[10:20], ready[20:]
        one, other = (suite.processes[name] for name in ('volume', 'volume-node2'))
        with stopped((one.pid, *one.children())):
            made = [client.create_volume(volume_type='ceph')['id'] for _number in range(20)]
            for ident in gone:
                client.delete(f'volumes/{ident}')
            for ident in grown:
                client.action(ident, 'os-extend', {'new_size': 2})
            snapshots = [client.create_snapshot(ident)['id'] for ident in held]
            other.kill9()
        for ident in (*made, *grown):
            client.wait_for_status('volume', ident, 'available', 60)
        for ident in snapshots:
            client.wait_for_status('snapshot', ident, 'available', 60)
        for ident in gone:
            client.wait_gone('volume', ident, 60)
        assert {client.show('volume', ident)['size'] for ident in grown} == {2}
        texts = [(suite.directory / 'logs' / f'volume-{node}.log').read_text()
                 for node in ('node1', 'node2')]
        ends = list(map(ended, texts))
        expected = {**dict.fromkeys((*made, *snapshots), 1), **dict.fromkeys((*gone, *grown), 2),
                    **dict.fromkeys(held, 1)}
        # What the host had done when it was killed has perhaps no line about its end.
        cut = ended(texts[1], 'begins') - ends[1]
        for ident, number in expected.items():
            assert number - cut[ident] <= sum(each[ident] for each in ends) <= number, ident
        # Locks of the host that is gone do not keep what it had open.
        for ident in (*made, *grown, *held):
            client.delete(f'volumes/{ident}?cascade=true')
        for ident in (*made, *grown, *held):
            client.wait_gone('volume', ident, 60)


def test_rows_and_pools_fit_together(client, suite):
    """After all that the tests above have done."""
    assert suite.manage('volume', 'doctor').endswith('0 findings\n')
