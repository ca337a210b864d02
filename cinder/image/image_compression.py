# SPDX-License-Identifier: Apache-2.0
"""Images in the container format `compressed`: gzip (RFC 1952) around the data of a disk format."""
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cinder import exception
from cinder.i18n import _

PIECE = 1024 ** 2
# Window bits of zlib for the gzip format.
_GZIP = 16 + zlib.MAX_WBITS
# The fastest level: the data is sent once.
_LEVEL = 1


def unpacked(chunks: Iterator[bytes], image_id: str, largest: int,
             run: Callable[..., Any]) -> Iterator[bytes]:
    """Yield the data in compressed chunks, in pieces of at most PIECE bytes; nothing for nothing.

    :param largest: most bytes that the data may have.
    :param run: function(function, *arguments) that keeps other threads of this process going.
    :raises ImageTooLarge: it has more.
    :raises ImageUnacceptable: the chunks are not gzip, or end too early.
    """
    member, done = _Member(), 0
    for chunk in chunks:
        if not chunk:
            yield b''
        rest = chunk
        while rest:
            try:
                data, rest, member = run(member.decompress, rest)
            except zlib.error as exc:
                raise exception.ImageUnacceptable(
                    image_id=image_id, reason=_('its container_format is compressed, but its data '
                                                'is not gzip')) from exc
            done += len(data)
            if done > largest:
                raise exception.ImageTooLarge(
                    image_id=image_id,
                    reason=_('its data has more than %d bytes when decompressed') % largest)
            if data:
                yield data
    if not member.is_at_end:
        raise exception.ImageUnacceptable(
            image_id=image_id, reason=_('its compressed data ends too early'))


class _Member:
    """A member of a gzip file; a file may have several."""

    def __init__(self, first: bool = True) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._first, self._begun = first, False

    @property
    def is_at_end(self) -> bool:
        """Whether a file may end here."""
        return not self._first and not self._begun

    def decompress(self, chunk: bytes) -> tuple[bytes, bytes, '_Member']:
        """Return data, what is left of the chunk, and the member that it belongs to."""
        if not self._first and not self._begun:
            # Some programs fill the last block of a file with zeros.
            chunk = chunk.lstrip(b'\0')
        self._begun = self._begun or bool(chunk)
        data = self._stream.decompress(chunk, PIECE)
        if not self._stream.eof:
            return data, self._stream.unconsumed_tail, self
        return data, self._stream.unused_data, _Member(first=False)


def pack(read: Callable[[int, int], bytes], parts: Iterable[tuple[int, int]], target: str,
         report: Callable[[int], Any], run: Callable[..., Any]) -> int:
    """Write data as gzip into a file; return the number of bytes of the file.

    :param read: function(offset, length) -> bytes.
    :param parts: (first byte, bytes) of each part of the data, when it may be read.
    :param report: called with the number of bytes that are done.
    :param run: as for unpacked().
    """
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    with open(target, 'r+b', buffering=0) as file:
        for first, length in parts:
            for start in range(first, first + length, PIECE):
                run(_pack, stream, read, start, min(PIECE, first + length - start), file.fileno())
                report(start)
        run(_write, file.fileno(), stream.flush())
    return os.stat(target).st_size


def _pack(stream: Any, read: Callable[[int, int], bytes], start: int, length: int, fd: int) -> None:
    _write(fd, stream.compress(read(start, length)))


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data):]
