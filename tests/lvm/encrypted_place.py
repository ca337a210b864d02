# SPDX-License-Identifier: Apache-2.0
"""The place of tests/image_paths in the lab: logical volumes, the kernel's dm-crypt and initiator.
The key manager is tests/fakes/file_keys.py: a Barbican and its Keystone take minutes to start in a
guest."""
import json
import pathlib
import uuid
from collections.abc import Iterable

from cinder.brick import disks
from tests.fakes import file_keys
from tests.functional.client import Client
from tests.image_paths import walk
from tests.image_paths.place import MIB, Place
from tests.lvm import group, initiator, service
from tests.lvm.image_server import Images


class Volumes(Place):
    """A volume group of an LVMSuite, which is called as its back end."""

    seconds = service.TIMEOUT_SECONDS

    def __init__(self, suite: service.LVMSuite, images: Images, storage: str, group_name: str,
                 folder: pathlib.Path, whole: bool) -> None:
        """
        :param whole: whether all of a volume is searched
        """
        self.suite, self._images, self._whole = suite, images, whole
        self.admin = self.client = suite.client()
        self.other = suite.client(project=uuid.uuid4().hex)
        self._keys = file_keys.folder(suite.state)
        super().__init__(storage, group_name, folder)

    def keys(self) -> set[str]:
        return {path.name for path in self._keys.glob('*')}

    def secret(self, key_id: str, client: Client) -> bytes:
        return (self._keys / key_id).read_bytes().hex().encode()

    def add_image(self, path: pathlib.Path, disk_format: str) -> str:
        shown = json.loads(group.run('qemu-img', 'info', '--output=json', str(path)))
        return self._images.add(path.read_bytes(), disk_format,
                                virtual_size=shown['virtual-size'])

    def image(self, ident: str) -> dict:
        return self._images.images[ident]

    def image_file(self, ident: str) -> pathlib.Path:
        return self._images.file(ident)

    def delete_image(self, ident: str) -> None:
        """As Glance does: with the key."""
        if key := self.image(ident).get('cinder_encryption_key_id'):
            (self._keys / key).unlink()
        self._images.remove(ident)

    def searched(self, disk: disks.Disk, size: int) -> list[tuple[int, int]]:
        if self._whole:
            return super().searched(disk, size)
        # A guest takes seconds for a GiB: what a walk writes, behind any header.
        return [(0, 32 * MIB), (walk.BEHIND - 512, 32 * MIB)]

    def where(self, name: str) -> str:
        return f'/dev/{self.backend}/{name}'

    def exported(self, client: Client, volume_id: str, mebibytes: int) -> bytes:
        with service.attached(client, volume_id) as device:
            return initiator.read(device, mebibytes * MIB)

    def files(self) -> Iterable[pathlib.Path]:
        return [path for path in self.suite.state.rglob('*') if path.is_file()]

    def findings(self) -> list[str]:
        return service.Oracle(self.suite).findings()
