# SPDX-License-Identifier: Apache-2.0
import errno
import os
import random

import pytest

from cinder import exception
from cinder.backup.chunked import extents
from cinder.backup.chunked.extents import Kind
from cinder.backup.facts import Source
from cinder.backup.volume_data import Descriptor
from tests.unit.backup.chunked.conftest import memory


def kinds(size, block, known, mapped, changed):
    """The kind of each block; the extents have neither gaps nor parts of blocks."""
    found, position = [], 0
    for extent in extents.of(Source(None, size, mapped, changed), block, known):
        assert extent.start == position < extent.end and not position % block
        position = extent.end
        found += [extent.kind] * (-(-extent.end // block) - extent.start // block)
    assert position == size
    return found


def test_each_block_is_what_the_ranges_say():
    rng = random.Random(3)
    for _attempt in range(300):
        size, block = rng.randint(1, 200), rng.choice([1, 4, 16])
        count = -(-size // block)
        known = rng.choice([None, rng.randint(0, count + 2)])
        mapped, changed = ranges(rng, size), rng.choice([None, ranges(rng, size)])
        expected = [
            Kind.SAME if known is not None and changed is not None and number < known
            and not touches(changed, number, block)
            else Kind.DATA if touches(mapped, number, block) else Kind.ZERO
            for number in range(count)]
        assert kinds(size, block, known, mapped, changed) == expected


def ranges(rng, size):
    found, start = [], rng.randint(0, 20)
    while start < size:
        length = rng.randint(0, 20)
        found.append((start, length))
        start += length + rng.choice([0, rng.randint(0, 30)])
    return found


def touches(found, number, block):
    return any(length and offset < (number + 1) * block and offset + length > number * block
               for offset, length in found)


def test_holes_of_a_file_are_zeros():
    with memory(size=2**24) as descriptor:
        os.pwrite(descriptor, b'x', 2**23)
        found = list(extents.of(Source(Descriptor(descriptor), 2**24), 512, None))
    assert [each.kind for each in found] == [Kind.ZERO, Kind.DATA, Kind.ZERO]
    assert found[1].end - found[1].start <= 2**16


def test_a_file_whose_holes_cannot_be_read_is_not_a_hole(monkeypatch):
    seek = os.lseek

    def fail(descriptor, offset, how):
        if offset and how == os.SEEK_DATA:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return seek(descriptor, offset, how)

    with memory(b'x', size=2**24) as descriptor:
        os.pwrite(descriptor, b'x', 2**23)
        monkeypatch.setattr(os, 'lseek', fail)
        with pytest.raises(exception.BackupVolumeError, match=r'offset \d+: Input/output error'):
            list(extents.of(Source(Descriptor(descriptor), 2**24), 512, None))


@pytest.mark.parametrize('mapped', [[(10, 5), (0, 5)], [(0, -5)], [(-5, 5)]])
def test_ranges_out_of_order_are_refused(mapped):
    with pytest.raises(exception.BackupVolumeError, match='expected ranges in order'):
        list(extents.of(Source(None, 100, mapped), 1, None))
