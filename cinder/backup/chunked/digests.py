# SPDX-License-Identifier: Apache-2.0
"""The digests of all blocks of a volume: in a temporary file, and as the object `_sha256file`.

The file has 32 bytes for each block. A block of zeros is a hole there: 32 zero bytes stand for its
digest, so an empty volume costs neither hashing nor space.
"""
import contextlib
import hashlib
import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from cinder import exception, objects
from cinder.backup import driver as driver_api
from cinder.backup.chunked import json_stream, metadata, names
from cinder.backup.temporary_file import TemporaryFile

SIZE = 32
HOLE = bytes(SIZE)
# Blocks that are handled at once.
GROUP = 2**15
_HOLES = bytes(SIZE * GROUP)
# Bytes of the text of a digest in the object, with what separates it from the next.
_TEXT = 64 + len('",\n    "')
# Bytes of a block, and blocks of a volume.
_LEAST, _MOST, _BLOCKS = 512, 2**28, 2**34


class Digests:
    """Digests by the number of the block; those that were never put are of blocks of zeros.

    :param spool: directory of the temporary file
    :param block: bytes of a block
    """

    def __init__(self, spool: str, block: int) -> None:
        self.block, self.count = block, 0
        self.zero = hashlib.sha256(bytes(block)).digest()
        self._file = TemporaryFile(spool)

    def __enter__(self) -> 'Digests':
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def put(self, first: int, digests: bytes) -> None:
        """Set the digests of the blocks from `first` on; HOLE stands for that of zeros."""
        count = len(digests) // SIZE
        self.count = max(self.count, first + count)
        if self._has(first) or digests != bytes(len(digests)):
            self._file.write(digests, first * SIZE)

    def get(self, first: int, count: int) -> bytes:
        """Return the digests of `count` blocks from `first` on."""
        return self._file.read(count * SIZE, first * SIZE).ljust(count * SIZE, b'\0')

    def is_zero(self, first: int, count: int) -> bool:
        """Return whether some blocks are of zeros."""
        while count > 0:
            here = min(count, GROUP)
            found = self.get(first, here)
            if found != (_HOLES if here == GROUP else bytes(len(found))):
                return False
            first, count = first + here, count - here
        return True

    def _has(self, first: int) -> bool:
        return first * SIZE < self._file.size()

    # ------------------------------------------------------------------------------- the object
    def append(self, where: str, digests: Any) -> None:
        """Add digests as the object has them.

        :raises BackupDataError: they are none
        """
        if (not isinstance(digests, bytes) or not digests or HOLE in digests
                or self.count + len(digests) // SIZE > _BLOCKS):
            raise exception.BackupDataError(
                where=where, reason=f'sha256s, element {self.count + 1}: expected the 64 '
                                    f'hexadecimal digits of a SHA-256, at most {_BLOCKS} times')
        self.put(self.count, digests.replace(self.zero, HOLE))

    def texts(self) -> Iterator[bytes]:
        """Return the elements of the list in the object, in pieces."""
        zero, separator = self.zero.hex(), '",\n    "'
        zeros = separator.join([zero] * GROUP).encode()
        for first in range(0, self.count, GROUP):
            here = min(GROUP, self.count - first)
            found = self.get(first, here)
            if found == _HOLES:
                text = zeros
            else:
                text = found.hex('.', SIZE).replace(HOLE.hex(), zero).replace(
                    '.', separator).encode()
            yield (separator.encode() if first else b'') + text


def check_size(driver: driver_api.BackupDriver, backup: objects.Backup, block: int,
               size: int) -> None:
    """Check that the store accepts the object `_sha256file`, before a volume is read for hours.

    :param block: bytes of a block
    :param size: bytes of the volume
    :raises BackupStoreError: it does not
    """
    expected = -(-size // block) * _TEXT
    if driver.largest_object is not None and expected > driver.largest_object:
        raise exception.BackupStoreError(
            where=f'{backup.container}/{names.digests(backup.service_metadata)}',
            reason=f'the digests of {size} bytes in blocks of {block} bytes take {expected} bytes, '
                   f'and an object of this store at most {driver.largest_object}; set a larger '
                   'block size, and create a full backup')


def write(driver: driver_api.BackupDriver, backup: objects.Backup, digests: Digests) -> None:
    """Write the object `_sha256file` of a backup."""
    head = {**metadata.description(backup), 'chunk_size': digests.block}
    text = json.dumps(head, indent=2).removesuffix('\n}')
    with driver.writer(backup.container, names.digests(backup.service_metadata)) as stream:
        stream.write(f'{text},\n  "sha256s": ['.encode())
        if digests.count:
            stream.write(b'\n    "')
            for piece in digests.texts():
                stream.write(piece)
            stream.write(b'"\n  ')
        stream.write(b']\n}')


def read(driver: driver_api.BackupDriver, backup: objects.Backup, spool: str) -> Digests:
    """Read the object `_sha256file` of a backup.

    :raises BackupDataError: it is not what is expected
    """
    name = names.digests(backup.service_metadata)
    where = f'{backup.container}/{name}'
    values: dict[str, Any] = {}
    with contextlib.ExitStack() as opened, driver.reader(backup.container, name) as stream:
        digests: Digests | None = None
        for key, value in json_stream.Items(stream, where, 'sha256s'):
            if key != 'sha256s':
                values[key] = value
                continue
            # The original sorts the keys.
            digests = digests or opened.enter_context(
                Digests(spool, metadata.number(where, values, 'chunk_size', _LEAST, _MOST)))
            digests.append(where, value)
        metadata.check_description(where, values, backup)
        if not digests:
            raise exception.BackupDataError(where=where, reason='it has no list sha256s')
        opened.pop_all()
        return digests
