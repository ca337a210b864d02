# SPDX-License-Identifier: Apache-2.0
"""What is compressed is read by the libraries that the original uses, and by ours in any pieces."""
import bz2
import hashlib
import io
import random
import zlib

import pytest
import zstandard

from cinder import exception
from cinder.backup import driver
from cinder.backup.chunked import compression, metadata, zeros
from cinder.conf import backup as backup_options

MIXED = random.Random(1).randbytes(9000) + bytes(5000) + b'repeated' * 1000
WHOLE = {'none': bytes, 'zlib': zlib.decompress, 'bz2': bz2.decompress,
         # Needs one frame with its size.
         'zstd': zstandard.ZstdDecompressor().decompress}


def content(algorithm, data, piece=4096):
    compressor = compression.compressor(algorithm, b'a' * 999)
    parts = []
    for start in range(0, len(data), piece):
        part = data[start:start + piece]
        parts.append(compressor.put(part, compressor.prepare(part)))
    whole = b''.join(parts) + compressor.end(len(data))
    return compressor.head + whole[len(compressor.head):]


class Slowly:
    """A stream that returns little at once."""

    def __init__(self, data, most):
        self.stream, self.most = io.BytesIO(data), most

    def read(self, size):
        return self.stream.read(min(size, self.most))


@pytest.mark.parametrize('algorithm', WHOLE)
@pytest.mark.parametrize('data', [MIXED, MIXED[:1], bytes(70000)], ids=['mixed', 'byte', 'zeros'])
def test_libraries_read_it_whole_and_this_one_in_pieces(algorithm, data):
    made = content(algorithm, data)
    assert WHOLE[algorithm](made) == data
    for most in (7, 2**20):
        reader = compression.PlainReader(Slowly(made, most), algorithm, len(data), 'c/o')
        assert b''.join(iter(lambda: reader.read(999), b'')) == data  # noqa: B023
        reader.finish()


@pytest.mark.parametrize('algorithm', WHOLE)
def test_what_does_not_compress_grows_by_no_more_than_the_options_leave_room_for(algorithm):
    # That of bz2 does so nearly as much in one block of 900 kB.
    data = random.Random(2).randbytes(2**17)
    for piece in (2**10, 2**17):
        grown = len(content(algorithm, data, piece)) - len(data)
        assert (grown > 0) is (algorithm != 'none') and grown <= len(data) / driver.GROWTH


def test_uncompressed_is_what_the_options_call_so():
    assert set(backup_options.UNCOMPRESSED) == {
        name for name, algorithm in metadata.ALGORITHMS.items() if algorithm == 'none'}


def test_gzip_is_read_too():
    made = zlib.compressobj(wbits=31)
    data = made.compress(MIXED) + made.flush()
    assert compression.PlainReader(io.BytesIO(data), 'zlib', len(MIXED), 'c/o').read(2**20) == MIXED


@pytest.mark.parametrize('algorithm', WHOLE)
@pytest.mark.parametrize('damage', ['short', 'long', 'promises less', 'promises more', 'garbage'])
def test_other_bytes_are_refused_with_their_place(algorithm, damage):
    made, length = content(algorithm, MIXED), len(MIXED)
    if damage in ('short', 'long'):
        made = made[:-9] if damage == 'short' else made + b'x' * 9
    elif damage == 'garbage':
        made = b'garbage' + made[:100]
    else:
        length += 1 if damage == 'promises more' else -1
    reader = compression.PlainReader(io.BytesIO(made), algorithm, length, 'c/o')
    with pytest.raises(exception.BackupDataError, match=r'c/o, plain offset \d+ cannot be used'):
        assert len(reader.read(2**20)) <= length
        reader.finish()


def test_a_bomb_is_not_decompressed():
    reader = compression.PlainReader(io.BytesIO(zeros.stored(2**29, 'zstd')), 'zstd', 1000, 'c/o')
    assert reader.read(2**29) == bytes(1000)
    with pytest.raises(exception.BackupDataError, match='goes on'):
        reader.finish()


def test_a_frame_that_needs_much_memory_is_refused():
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = made.compress(MIXED) + made.flush()
    reader = compression.PlainReader(io.BytesIO(data), 'zstd', len(MIXED), 'c/o')
    with pytest.raises(exception.BackupDataError, match='cannot be decompressed'):
        reader.read(2**20)


def test_an_error_of_the_store_stays_itself():
    class Away:
        def read(self, size):
            raise exception.BackupStoreUnavailable(where='c/o', reason='no answer')

    for algorithm in WHOLE:
        with pytest.raises(exception.BackupStoreUnavailable):
            compression.PlainReader(Away(), algorithm, 10, 'c/o').read(10)


@pytest.mark.parametrize('length', [1, 511, 2**17 - 1, 2**17, 2**17 + 1, 2**20, 2**20 + 5, 2**21])
def test_objects_of_zeros_are_made_without_compressing(length):
    assert zlib.decompress(zeros.stored(length, 'zlib')) == bytes(length)
    assert WHOLE['zstd'](zeros.stored(length, 'zstd')) == bytes(length)
    assert zeros.md5(length) == hashlib.md5(bytes(length)).hexdigest()


def test_the_longest_of_them_are_small():
    assert len(zeros.stored(zeros.MOST, 'zstd')) < 2**15
    assert len(zeros.stored(zeros.MOST, 'zlib')) < 2**20
