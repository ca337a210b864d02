# SPDX-License-Identifier: Apache-2.0
"""Small volumes in memory, and the backups of them."""
import contextlib
import datetime
import itertools
import os
import uuid

import pytest

from cinder import objects
from cinder.backup.chunked import compression, reader, writer, zeros
from cinder.backup.facts import Source, Target
from cinder.backup.volume_data import Descriptor

CREATED = datetime.datetime(2026, 11, 29, 13, 59, 20, tzinfo=datetime.UTC)


def shorten(patch):
    """Pieces and objects of zeros are short, so that small volumes have many."""
    patch.setattr(compression, 'PIECE', 4096)
    patch.setattr(zeros, 'MOST', 2**14)


@pytest.fixture
def small(monkeypatch):
    """As shorten() says."""
    shorten(monkeypatch)


@contextlib.contextmanager
def memory(data=b'', size=None):
    """The descriptor of a file in memory."""
    descriptor = os.memfd_create('volume')
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, size or len(data))
        yield descriptor
    finally:
        os.close(descriptor)


class Bench:
    """Writes and restores backups with one store."""

    def __init__(self, store, spool, algorithm='zstd'):
        self.store, self.spool, self.algorithm = store, str(spool), algorithm
        self._ids = map('{:012d}'.format, itertools.count(1))

    def backup(self, parent=None, **values):
        """A new row."""
        ident = f'0a1b2c3d-0000-4000-8000-{next(self._ids)}'
        row = objects.Backup(**{
            'id': ident, 'volume_id': str(uuid.UUID(int=7)), 'display_name': 'é "',
            'display_description': None, 'parent_id': parent and parent.id, 'size': 1,
            'created_at': CREATED, 'container': None, 'availability_zone': None, **values})
        row.container = self.store.container_of(row)
        row.service_metadata = self.store.prefix_of(row)
        return row

    def write(self, backup, data, parent=None, mapped=None, changed=None, identity='', size=None,
              **kwargs):
        """Write the data of a volume; `size` is what it is said to be."""
        with memory(data) as descriptor:
            source = Source(Descriptor(descriptor), size or len(data), mapped, changed, identity)
            return writer.write(self.store, backup, source, spool=self.spool, parent=parent,
                                algorithm=self.algorithm, **kwargs)

    def full(self, data, **kwargs):
        """The row of a full backup."""
        backup = self.backup()
        self.write(backup, data, **kwargs)
        return backup

    def restore(self, chain, old=b'', size=None, zeroed=False, **kwargs):
        """The data of a volume after a restore; `old` are those before."""
        with memory(old, size) as descriptor:
            size = os.fstat(descriptor).st_size
            reader.restore(self.store, chain, Target(Descriptor(descriptor), size, zeroed),
                           spool=self.spool, **kwargs)
            return os.pread(descriptor, size, 0)


@pytest.fixture
def bench(tmp_path):
    """A Bench for a store."""
    return lambda store, algorithm='zstd': Bench(store, tmp_path, algorithm)
