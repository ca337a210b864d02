# SPDX-License-Identifier: Apache-2.0
"""The content of an object that is being written, kept until it is complete: only then does the
store get it, in one request, which can be repeated."""
import hashlib
from collections.abc import Iterator

from cinder.backup.temporary_file import TemporaryFile

# Bytes that are collected from short writes, and that are sent at a time: the timeout of a socket
# is for all that one call sends.
PIECE = 256 * 1024


class Upload:
    """Content in memory, or beyond a limit in a file without a name.

    :param folder: for the file
    :param limit: most bytes in memory
    :param hash_content: whether the SHA-256 digest is needed
    """

    def __init__(self, folder: str, limit: int, hash_content: bool = False) -> None:
        self._folder, self._limit = folder, limit
        self._pieces: list[bytes] = []
        self._short = bytearray()
        self._file: TemporaryFile | None = None
        self._written = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if hash_content else None
        self.length = 0

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        self._md5.update(data)
        if self._sha256:
            self._sha256.update(data)
        self.length += len(data)
        if len(data) < PIECE:
            self._short += data
            if len(self._short) < PIECE:
                return
            data = b''
        self._collect(data)

    def _collect(self, data: bytes) -> None:
        self._pieces += [bytes(each) for each in (self._short, data) if each]
        self._short.clear()
        if self._file or self.length > self._limit:
            if self._file is None:
                self._file = TemporaryFile(self._folder)
            for piece in self._pieces:
                self._file.write(piece, self._written)
                self._written += len(piece)
            self._pieces.clear()

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest() if self._sha256 else b''

    def pieces(self) -> Iterator[bytes]:
        """Yield the content from its beginning, in pieces of at most PIECE bytes."""
        self._collect(b'')
        if self._file:
            for offset in range(0, self._written, PIECE):
                yield self._file.read(PIECE, offset)
        for piece in self._pieces:
            for start in range(0, len(piece), PIECE):
                yield piece[start:start + PIECE]

    def close(self) -> None:
        """Drop the content."""
        self._pieces.clear()
        if self._file:
            self._file.close()
