# SPDX-License-Identifier: Apache-2.0
"""What a walk needs of the place where it goes: clients, a key manager, an image service, and a way
to the bytes of volumes past the service. Each storage has a subclass beside its fixtures."""
import contextlib
import pathlib
import uuid
from collections.abc import Iterable, Iterator

from cinder.brick import disks
from tests.functional.client import Client
from tests.image_paths import table

MIB, GIB = 1024 ** 2, 1024 ** 3


class Place:
    """Daemons with one storage.

    :param storage: one of table.STORAGES
    :param backend: its volume_backend_name
    :param folder: for files of the walk
    :ivar client: of the project in which the walk goes; `other`: of one that takes a volume over
    :ivar admin: an administrator of the first project
    :ivar seconds: how long anything is waited for
    """

    client: Client
    other: Client
    admin: Client
    # A GiB through Glance takes minutes where others work.
    seconds = 600.0

    def __init__(self, storage: str, backend: str, folder: pathlib.Path) -> None:
        self.storage, self.backend, self.folder = storage, backend, folder
        self.types = {kind: self._type(kind) for kind in table.FORMATS}

    def _type(self, kind: str) -> str:
        made = self.admin.post('types', {'volume_type': {
            'name': f'{self.backend}-{kind}-{uuid.uuid4().hex}',
            'extra_specs': {'volume_backend_name': self.backend}}})['volume_type']['id']
        if provider := table.FORMATS[kind]:
            self.admin.post(f'types/{made}/encryption', {
                'encryption': {'provider': provider, **table.CIPHER}})
        return made

    # ---------------------------------------------------------------------------- the key manager
    def keys(self) -> set[str]:
        """Return the ids of all keys."""
        raise NotImplementedError

    def secret(self, key_id: str, client: Client) -> bytes:
        """Return what a compute service makes of the key that the user of this client gets."""
        raise NotImplementedError

    # -------------------------------------------------------------------------- the image service
    def add_image(self, path: pathlib.Path, disk_format: str) -> str:
        """Upload a file; return the id of the image."""
        raise NotImplementedError

    def image(self, ident: str) -> dict:
        """Return what is known of an image."""
        raise NotImplementedError

    def image_file(self, ident: str) -> pathlib.Path:
        """Return where the image service keeps the data."""
        raise NotImplementedError

    def delete_image(self, ident: str) -> None:
        """Delete an image, with its key."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------- the storage
    def where(self, name: str) -> str:
        """Return the path, or the address, of the volume that the storage calls so."""
        raise NotImplementedError

    def searched(self, disk: disks.Disk, size: int) -> list[tuple[int, int]]:
        """Return offset and length of what is searched for data on a disk of so many bytes."""
        return disk.ranges(0, size)

    @contextlib.contextmanager
    def opened(self, name: str, writable: bool = False) -> Iterator[disks.Disk]:
        """Open the bytes that the storage has of a volume."""
        with disks.opened(self.where(name), writable=writable) as disk:
            yield disk

    def exported(self, client: Client, volume_id: str, mebibytes: int) -> bytes:
        """Return the start of a volume, as a host gets it that attaches it."""
        raise NotImplementedError

    def files(self) -> Iterable[pathlib.Path]:
        """Return the files that the service keeps besides volumes: backups, conversions."""
        return ()

    def findings(self) -> list[str]:
        """Return what the oracle finds."""
        raise NotImplementedError
