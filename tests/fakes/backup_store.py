# SPDX-License-Identifier: Apache-2.0
"""A store of backups in memory, whose next calls can fail as those of real stores do."""
import contextlib
import io

from cinder import exception
from cinder.backup import driver
from cinder.conf import CONF


class MemoryBackupDriver(driver.BackupDriver):
    """Keeps objects in the dictionary `containers`.

    :param object_size, block_size: bytes
    :param can_patch: as a store of files
    """

    def __init__(self, object_size=8192, block_size=512, can_patch=False):
        super().__init__(CONF)
        self.object_size, self.block_size, self.can_patch = object_size, block_size, can_patch
        self.containers = {}
        # Bytes that it still takes; None: any number.
        self.space = None
        # Names of objects in the order in which they were read.
        self.read = []
        # Most bytes of one read().
        self.most = 2**20

    @classmethod
    def get_driver_options(cls):
        return []

    def check(self):
        pass

    def container_of(self, backup):
        return backup.container or 'backups'

    def create_container(self, container):
        self.containers.setdefault(container, {})

    @contextlib.contextmanager
    def writer(self, container, name):
        stream = _Writer(self, f'{container}/{name}')
        yield stream
        self.containers[container][name] = bytes(stream.data)

    @contextlib.contextmanager
    def reader(self, container, name):
        self.read.append(name)
        try:
            stream = io.BytesIO(self.containers[container][name])
        except KeyError:
            raise exception.BackupObjectNotFound(where=f'{container}/{name}') from None
        yield _Reader(stream, self.most)

    def names(self, container, prefix):
        return sorted(name for name in self.containers.get(container, ())
                      if name.startswith(prefix))

    def delete(self, container, name):
        self.containers.get(container, {}).pop(name, None)


class _Writer:
    def __init__(self, store, where):
        self.store, self.where, self.data = store, where, bytearray()

    def write(self, data):
        if self.store.space is not None:
            if len(data) > self.store.space:
                raise exception.BackupStoreFull(where=f'{self.where}, offset {len(self.data)}',
                                                reason='no space')
            self.store.space -= len(data)
        self.data += data

    def patch(self, offset, data):
        assert self.store.can_patch
        self.data[offset:offset + len(data)] = data


class _Reader:
    def __init__(self, stream, most):
        self.stream, self.most = stream, most

    def read(self, size, /):
        return self.stream.read(min(size, self.most))
