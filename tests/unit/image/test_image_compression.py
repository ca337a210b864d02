# SPDX-License-Identifier: Apache-2.0
"""Compressed images: what gzip(1) writes is read in any pieces, and what is written it reads."""
import gzip
import os
import tracemalloc

import pytest

from cinder import exception
from cinder.image import image_compression

DATA = os.urandom(3000) + bytes(2 ** 21) + os.urandom(3000)
PACKED = gzip.compress(DATA)


def run(function, *arguments):
    return function(*arguments)


def unpacked(packed, step=1000, largest=2 ** 30):
    pieces = [packed[place:place + step] for place in range(0, len(packed), step)]
    # Nothing comes for a while after each piece.
    pauses = [chunk for piece in pieces for chunk in (piece, b'')]
    found = list(image_compression.unpacked(iter(pauses), 'i', largest, run))
    assert found.count(b'') == len(pieces)
    return b''.join(found)


@pytest.mark.parametrize('step', [1, 7, 1000, 10 ** 6])
@pytest.mark.parametrize(('packed', 'data'), [
    (PACKED, DATA), (PACKED + PACKED, DATA + DATA), (PACKED + bytes(700), DATA),
    (PACKED + bytes(700) + PACKED, DATA + DATA), (gzip.compress(b''), b'')])
def test_unpacked(packed, data, step):
    assert unpacked(packed, step) == data


@pytest.mark.parametrize(('packed', 'words'), [
    (DATA, 'not gzip'), (bytes(500), 'not gzip'), (b'', 'too early'),
    (b'QFI\xfb' + bytes(500), 'not gzip'), (PACKED[:-1], 'too early'),
    (PACKED[:3], 'too early'), (PACKED + b'rest', 'not gzip'),
    (PACKED[:-5] + bytes(5), 'not gzip')])
def test_what_is_not_unpacked(packed, words):
    with pytest.raises(exception.ImageUnacceptable, match=words):
        unpacked(packed)


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(bytes(2 ** 26))
    tracemalloc.start()
    try:
        with pytest.raises(exception.ImageUnacceptable, match='more than 8388608 bytes'):
            for _piece in image_compression.unpacked(iter([bomb]), 'i', 2 ** 23, run):
                pass
        assert tracemalloc.get_traced_memory()[1] < 2 ** 23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('size', [0, 1, image_compression.PIECE, len(DATA)])
def test_packed(tmp_path, size):
    target, reports = tmp_path / 'packed', []
    target.touch()
    number = image_compression.pack(lambda start, length: DATA[start:start + length], [(0, size)],
                                    str(target), reports.append, run)
    assert number == target.stat().st_size
    assert gzip.decompress(target.read_bytes()) == DATA[:size]
    assert reports == list(range(0, size, image_compression.PIECE))
