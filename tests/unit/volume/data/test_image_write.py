# SPDX-License-Identifier: Apache-2.0
"""What a writer leaves on a disk, for each way in which its data may come."""
import pytest

from cinder.brick.local_dev import throttle
from cinder.volume.data import image_write

BLOCK = image_write._BLOCK
ONES = b'\1' * BLOCK
NONE = bytes(BLOCK)


class Disk:
    """A disk that notes what is done to it."""

    def __init__(self, data: bytes = b'') -> None:
        self.data, self.wrote, self.flushed = bytearray(data), [], 0

    def read(self, offset, length):
        return bytes(self.data[offset:offset + length])

    def write(self, offset, data):
        self.wrote.append((offset, len(data)))
        self.data[offset:offset + len(data)] = data

    def zero(self, offset, length):
        self.write(offset, bytes(length))

    def ranges(self, offset, length):
        return [(start, BLOCK) for start in range(offset, offset + length, BLOCK)
                if any(self.data[start:start + BLOCK])]

    def flush(self):
        self.flushed += 1


def writer_of(disk, reads_zeros=True, **values):
    return image_write.Writer(disk, lambda: None, reads_zeros=reads_zeros, **values)


@pytest.mark.parametrize(('chunks', 'wrote'), [
    ([ONES], [(0, BLOCK)]),
    ([NONE, ONES], [(BLOCK, BLOCK)]),
    ([ONES + NONE + ONES + ONES], [(0, BLOCK), (2 * BLOCK, 2 * BLOCK)]),
    ([NONE + NONE], []),
    ([b'\0' * 9, b'x'], [(9, 1)]),
    ([ONES + b'\0' * 9], [(0, BLOCK)]),
    ([b''], [])])
@pytest.mark.parametrize('reads_zeros', [True, False])
def test_zeros_are_skipped_where_the_disk_reads_zeros(chunks, wrote, reads_zeros):
    data = b''.join(chunks)
    disk = Disk(bytes(len(data)) if reads_zeros else b'x' * len(data))
    writer = writer_of(disk, reads_zeros)
    for chunk in chunks:
        writer.write(chunk)
    writer.finish()
    assert (bytes(disk.data), writer.done, disk.flushed) == (data, len(data), 1)
    assert not reads_zeros or disk.wrote == wrote


@pytest.mark.parametrize('reads_zeros', [True, False])
def test_nothing_of_a_former_start_stays(reads_zeros):
    """Neither under zeros of the second nor behind its end."""
    disk = Disk(bytes(4 * BLOCK))
    writer = writer_of(disk, reads_zeros)
    writer.write(ONES * 3)
    writer.restart()
    writer.write(NONE + b'end')
    writer.finish()
    assert bytes(disk.data) == (NONE + b'end').ljust(4 * BLOCK, b'\0')
    assert writer.done == BLOCK + 3


@pytest.mark.parametrize('reads_zeros', [True, False])
def test_a_file_is_written_with_its_holes(reads_zeros):
    source = Disk(ONES + NONE + ONES + NONE)
    disk = Disk(bytes(4 * BLOCK) if reads_zeros else b'x' * 4 * BLOCK)
    image_write.write_file(source, 4 * BLOCK, writer_of(disk, reads_zeros))
    assert disk.data == source.data
    assert len(disk.wrote) == (2 if reads_zeros else 4)


def test_it_stops_while_it_keeps_the_pace(monkeypatch):
    """A chunk may take minutes at a low rate."""
    now = [0.0]
    monkeypatch.setattr(image_write.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(throttle.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(image_write.time, 'sleep',
                        lambda seconds: now.__setitem__(0, now[0] + seconds))

    def check():
        if now[0] > 5:
            raise KeyError('cancelled')

    writer = image_write.Writer(Disk(bytes(BLOCK)), check, throttle.Throttle(BLOCK // 60))
    with pytest.raises(KeyError):
        writer.write(ONES)
    assert 5 < now[0] < 6


def test_what_waits_in_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(image_write, '_DURABLE', 2 * BLOCK)
    disk = Disk(bytes(5 * BLOCK))
    writer = writer_of(disk)
    for _number in range(5):
        writer.write(ONES)
    writer.finish()
    assert disk.flushed == 3


def test_a_flush_that_fails_is_an_error(monkeypatch):
    def fail():
        raise OSError('the disk is gone')

    disk = Disk(bytes(BLOCK))
    monkeypatch.setattr(disk, 'flush', fail)
    writer = writer_of(disk)
    writer.write(ONES)
    with pytest.raises(OSError, match='gone'):
        writer.finish()


def test_what_only_living_processes_use_is_not_flushed():
    disk = Disk(bytes(BLOCK))
    writer = writer_of(disk, durable=False)
    writer.write(ONES)
    writer.finish()
    assert disk.flushed == 0
