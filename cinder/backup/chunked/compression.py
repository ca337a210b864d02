# SPDX-License-Identifier: Apache-2.0
"""Compression of objects as streams, into the forms that the original reads.

It decompresses each object in one call: zstd must be one frame that names its size, which is known
at the end only, so the header is written last (Compressor.head). zlib is made of pieces that are
compressed on their own, in several threads.
"""
import bz2
import struct
import zlib
from collections.abc import Callable
from typing import Any, Protocol, cast

import zstandard

from cinder import exception
from cinder.backup import driver

# Plain bytes of a piece.
PIECE = 2**20
_ZSTD_LEVEL, _ZLIB_LEVEL = 3, 6
# Memory for what a frame refers back to.
_ZSTD_WINDOW = 2**25
# Of a frame that does not name its size: magic number, descriptor (no flag) and window.
_ZSTD_HEAD = 6
_ZSTD_SIZED = 0xc0  # descriptor: the size follows in 8 bytes
_READ = 2**18
# Compressed samples of more than this part of their size are not worth it.
_WORTH = 0.97
_SAMPLE = 2**14


class Compressor(Protocol):
    """Makes the content of one object.

    If `parallel`, prepare() does the work, in any thread and in any order; put() gets the pieces
    and its results in order. The content is the returned bytes one after the other; in the end
    `head` replaces as many bytes at its start.
    """

    name: str
    parallel: bool

    def prepare(self, piece: bytes) -> bytes: ...

    def put(self, piece: bytes, prepared: bytes) -> bytes: ...

    def end(self, length: int) -> bytes: ...

    @property
    def head(self) -> bytes: ...


class _Plain:
    name, parallel, head = 'none', False, b''

    def prepare(self, piece: bytes) -> bytes:
        return b''

    def put(self, piece: bytes, prepared: bytes) -> bytes:
        return piece

    def end(self, length: int) -> bytes:
        return b''


class _Zlib:
    """A stream of pieces that refer to nothing outside of them."""

    name, parallel, head = 'zlib', True, b''
    _START, _END = b'\x78\x9c', b'\x03\x00'

    def __init__(self) -> None:
        self._sum = zlib.adler32(b'')
        self._start = self._START

    def prepare(self, piece: bytes) -> bytes:
        level = _ZLIB_LEVEL if _is_compressible(piece) else 0
        deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(piece) + deflate.flush(zlib.Z_SYNC_FLUSH)

    def put(self, piece: bytes, prepared: bytes) -> bytes:
        self._sum = zlib.adler32(piece, self._sum)
        start, self._start = self._start, b''
        return start + prepared

    def end(self, length: int) -> bytes:
        return self._start + self._END + struct.pack('>I', self._sum)


class _Bz2:
    name, parallel, head = 'bz2', False, b''

    def __init__(self) -> None:
        self._stream = bz2.BZ2Compressor()

    def prepare(self, piece: bytes) -> bytes:
        return b''

    def put(self, piece: bytes, prepared: bytes) -> bytes:
        return self._stream.compress(piece)

    def end(self, length: int) -> bytes:
        return self._stream.flush()


class _Zstd:
    name, parallel = 'zstd', False

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(
            level=_ZSTD_LEVEL, write_checksum=False).compressobj()
        self._start: bytes | None = b''
        self.head = b''

    def prepare(self, piece: bytes) -> bytes:
        return b''

    def put(self, piece: bytes, prepared: bytes) -> bytes:
        return self._body(self._stream.compress(piece))

    def end(self, length: int) -> bytes:
        rest = self._body(self._stream.flush())
        self.head = self.head[:4] + struct.pack('<BBQ', _ZSTD_SIZED, self.head[5], length)
        return rest

    def _body(self, data: bytes) -> bytes:
        """Leave room for the size behind the header of the library."""
        if self._start is None:
            return data
        self._start += data
        if len(self._start) < _ZSTD_HEAD:
            return b''
        self.head, body = self._start[:_ZSTD_HEAD], self._start[_ZSTD_HEAD:]
        if self.head[4]:
            raise AssertionError(f'unexpected frame of zstd: {self.head.hex()}')
        self._start = None
        return self.head + bytes(8) + body


_COMPRESSORS: dict[str, type[Compressor]] = {
    'none': _Plain, 'zlib': _Zlib, 'bz2': _Bz2, 'zstd': _Zstd}


def compressor(algorithm: str, first: bytes) -> Compressor:
    """Return a compressor for an object that begins with the bytes `first`.

    :param algorithm: none, zlib, bz2 or zstd; bz2, which is slow, is not used for bytes that look
        as if they do not compress
    """
    if algorithm == 'bz2' and not _is_compressible(first):
        algorithm = 'none'
    return _COMPRESSORS[algorithm]()


def _is_compressible(piece: bytes) -> bool:
    """Guess from samples of the start, the middle and the end."""
    middle = max((len(piece) - _SAMPLE) // 2, 0)
    samples = (piece[:_SAMPLE], piece[middle:middle + _SAMPLE], piece[-_SAMPLE:])
    return any(len(zlib.compress(sample, 1)) < _WORTH * len(sample) for sample in samples)


# ------------------------------------------------------------------------------------------ reading
class PlainReader:
    """The plain bytes of an object, never more than its entry says.

    :param where: the object, for errors
    """

    def __init__(self, stream: driver.Reader, algorithm: str, length: int, where: str) -> None:
        self._source = _SOURCES[algorithm](stream)
        self._length, self._where = length, where
        self.offset = 0

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, or what is left of the object; b'' at its end.

        :raises BackupDataError: it has fewer bytes, or they cannot be decompressed
        """
        size = min(size, self._length - self.offset)
        parts: list[bytes] = []
        while size:
            part = self._read(size)
            if not part:
                raise self._error(f'it ends there, expected {self._length} bytes')
            parts.append(part)
            self.offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b''.join(parts)

    def finish(self) -> None:
        """:raises BackupDataError: the object has more bytes"""
        if self._read(1) or not self._source.is_whole():
            raise self._error('it goes on there, or its end is missing')

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except (zlib.error, OSError, EOFError, ValueError, zstandard.ZstdError) as exc:
            raise self._error(f'it cannot be decompressed: {exc}') from exc

    def _error(self, reason: str) -> exception.BackupDataError:
        return exception.BackupDataError(where=f'{self._where}, plain offset {self.offset}',
                                         reason=reason)


class _PlainSource:
    def __init__(self, stream: driver.Reader) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def is_whole(self) -> bool:
        return True


class _DeflateSource:
    def __init__(self, stream: driver.Reader) -> None:
        self._stream, self._rest = stream, b''
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # zlib or gzip

    def read(self, size: int) -> bytes:
        while not self._inflate.eof:
            self._rest = self._rest or self._stream.read(_READ)
            ended = not self._rest
            data = self._inflate.decompress(self._rest, size)
            self._rest = self._inflate.unconsumed_tail
            if data or ended:
                return data
        return b''

    def is_whole(self) -> bool:
        return (self._inflate.eof and not self._inflate.unused_data
                and not self._stream.read(1))


class _Bz2Source:
    def __init__(self, stream: driver.Reader) -> None:
        self._stream, self._bz2 = stream, bz2.BZ2Decompressor()

    def read(self, size: int) -> bytes:
        while not self._bz2.eof:
            more = self._stream.read(_READ) if self._bz2.needs_input else b''
            ended = self._bz2.needs_input and not more
            data = self._bz2.decompress(more, size)
            if data or ended:
                return data
        return b''

    def is_whole(self) -> bool:
        return self._bz2.eof and not self._bz2.unused_data and not self._stream.read(1)


class _ZstdSource:
    def __init__(self, stream: driver.Reader) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
            cast(Any, stream), read_size=_READ, read_across_frames=True, closefd=False)

    def read(self, size: int) -> bytes:
        data: bytes = self._zstd.read(size)
        return data

    def is_whole(self) -> bool:
        return True  # a frame says where it ends


class _Source(Protocol):
    def read(self, size: int) -> bytes: ...

    def is_whole(self) -> bool: ...


_SOURCES: dict[str, Callable[[driver.Reader], _Source]] = {
    'none': _PlainSource, 'zlib': _DeflateSource, 'bz2': _Bz2Source, 'zstd': _ZstdSource}
