# SPDX-License-Identifier: Apache-2.0
"""Places of tests/image_paths with a real Keystone, Barbican and Glance: files, and RBD."""
import pathlib
from collections.abc import Iterable, Iterator

from cinder.brick.ceph import address
from cinder.brick.ceph.cluster import Settings
from tests.functional import ceph, oracle, storage
from tests.functional.barbican import Barbican
from tests.functional.client import Client
from tests.functional.glance import Glance
from tests.functional.keystone import Guarded
from tests.functional.processes import wait_until
from tests.functional.suite import START_SECONDS, Node, Suite
from tests.image_paths.place import Place
from tools.ceph_cluster import Cluster


class Oracle(oracle.Oracle):
    """Without the quotas, whose API asks for tokens."""

    def _quota(self, rows) -> Iterator[str]:
        return iter(())


class Files(Place):
    """The file driver of a Guarded suite."""

    def __init__(self, suite: Guarded, keys: Barbican, images: Glance, folder: pathlib.Path,
                 name: str = 'file', backend: str = 'files') -> None:
        self.suite, self._keys, self._images = suite, keys, images
        self.client, self.other = suite.client('member'), suite.client('other-member')
        self.admin = suite.client('project-admin')
        self._token = self.client.headers['X-Auth-Token']
        super().__init__(name, backend, folder)

    def keys(self) -> set[str]:
        return self._keys.secret_ids()

    def secret(self, key_id: str, client: Client) -> bytes:
        return self._keys.payload(key_id, client.headers['X-Auth-Token']).hex().encode()

    def add_image(self, path: pathlib.Path, disk_format: str) -> str:
        return self._images.add(path, disk_format, self._token)['id']

    def image(self, ident: str) -> dict:
        return self._images.show(ident, self._token)

    def image_file(self, ident: str) -> pathlib.Path:
        return self._images.images / ident

    def delete_image(self, ident: str) -> None:
        self._images.call('DELETE', f'/{ident}', token=self._token)

    def where(self, name: str) -> str:
        return str(self.suite.folder(self.backend) / name)

    def exported(self, client: Client, volume_id: str, mebibytes: int) -> bytes:
        with storage.attached(client, volume_id) as device:
            return device.read(mebibytes)

    def files(self) -> Iterable[pathlib.Path]:
        volumes = self.suite.folders()
        return [path for path in self.suite.state.rglob('*')
                if path.is_file() and path.parent not in volumes]

    def findings(self) -> list[str]:
        return Oracle(self.suite).findings()


class CephHost(Guarded):
    """One more host of a Guarded suite, whose back end is a pool of RBD.

    :param guarded: has the API and the scheduler
    """

    def __init__(self, directory: pathlib.Path, guarded: Guarded, cluster: Cluster,
                 pool: str = 'volumes') -> None:
        self.keystone, self.ceph, self.pool = guarded.keystone, cluster, pool
        # The store of backups is that of the other host, which may be asked for the next one.
        options = guarded.options | {'DEFAULT': guarded.options['DEFAULT'] | {
            'backup_posix_path': guarded.state / 'backups'}}
        # Not that of Guarded, which puts the API into the catalog.
        Suite.__init__(self, directory, guarded.database, guarded.transport, guarded.tgtd, nodes=[
            Node('ceph-host', ('volume', 'backup'))], backends=('ceph',), faults=False,
            options=options)
        self.port = guarded.port

    def _backend(self, name: str) -> dict[str, object]:
        return {'volume_backend_name': name, **ceph.options(self.ceph, self.pool)}

    def environment(self) -> dict[str, str]:
        return super().environment() | {'CEPH_CONF': str(self.ceph.conf)}

    def stored(self) -> dict[str, int]:
        return ceph.CephSuite.stored(self)

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
        wait_until(lambda: {('cinder-volume', 'ceph-host@ceph'), ('cinder-backup', 'ceph-host')}
                   <= self.up() and self.knows_pools(), START_SECONDS,
                   lambda: f'the host\n{self.tails()}', pause=0.1)


class RBD(Files):
    """The RBD driver of a CephHost, beside a Guarded suite."""

    def __init__(self, host: CephHost, suite: Guarded, keys: Barbican, images: Glance,
                 folder: pathlib.Path) -> None:
        self.host = host
        super().__init__(suite, keys, images, folder, 'ceph', 'ceph')

    def where(self, name: str) -> str:
        return str(address.Address(self.host.pool, name, settings=Settings(
            ceph.USER, str(self.host.ceph.conf), self.host.ceph.name)))

    def files(self) -> Iterable[pathlib.Path]:
        return [*super().files(),
                *(path for path in self.host.state.rglob('*') if path.is_file())]

    def findings(self) -> list[str]:
        return [*super().findings(), *(f'in RBD: {name}' for name in self.host.stored())]
