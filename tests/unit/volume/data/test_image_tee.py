# SPDX-License-Identifier: Apache-2.0
"""A disk and a file with the same data: whenever the file begins, however the disk is written, and
whatever fails."""
import contextlib
import os

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.volume.data import image_tee, image_write

STEP = image_write.STEP
DATA = os.urandom(STEP) + bytes(2 * STEP) + os.urandom(7 * STEP + 5)


@pytest.fixture
def disk(tmp_path):
    (tmp_path / 'disk').touch()
    os.truncate(tmp_path / 'disk', 16 * STEP)
    with disks.opened(str(tmp_path / 'disk'), writable=True) as opened:
        yield opened


@pytest.fixture
def tee(disk, tmp_path):
    @contextlib.contextmanager
    def make():
        (tmp_path / 'file').touch()
        yield str(tmp_path / 'file')
        (tmp_path / 'file').unlink()

    with image_tee.Tee(disk, make) as made:
        yield made
    assert not (tmp_path / 'file').exists()


def write(tee, data, begin, step=STEP // 2 + 3, writer=None):
    """Write data in pieces; the file begins at a piece."""
    writer = writer or image_write.Writer(tee, lambda: None)
    for number, start in enumerate(range(0, len(data), step)):
        if number == begin:
            tee.share(max(writer.done, writer.dirty))
        writer.write(data[start:start + step])
        tee.advance()
    writer.finish()
    return writer


def content(tee, size):
    tee.finish(size)
    with open(tee.path, 'rb') as file:
        found = file.read()
    assert len(found) % 4096 == 0 and found[size:].count(0) == len(found) - size
    return found[:size]


@pytest.mark.parametrize('begin', [0, 1, 9, 18])
def test_both_get_all(tee, disk, begin):
    write(tee, DATA, begin)
    while not tee.advance():
        pass
    assert disk.read(0, len(DATA)) == DATA == content(tee, len(DATA))


@pytest.mark.parametrize('left', [3, 14])
def test_the_disk_is_left(tee, disk, left):
    step, writer = STEP // 2 + 3, image_write.Writer(tee, lambda: None)
    for number, start in enumerate(range(0, len(DATA), step)):
        if number == left:
            tee.share(writer.done)
            assert tee.leave(60)
            writer.release()
        writer.write(DATA[start:start + step])
    assert content(tee, len(DATA)) == DATA
    assert disk.read(left * step, STEP) == bytes(STEP)


@pytest.mark.parametrize('zeros', [False, True])
def test_a_transfer_that_starts_again(tee, disk, zeros):
    """What it writes over the first one reaches both."""
    writer = write(tee, DATA, 5)
    writer.restart()
    again = bytes(3 * STEP) if zeros else os.urandom(3 * STEP)
    write(tee, again, None, writer=writer)
    while not tee.advance():
        pass
    assert disk.read(0, len(DATA)) == again.ljust(len(DATA), b'\0')
    assert content(tee, len(again)) == again


def test_the_disk_does_without_a_full_file(tee, disk, monkeypatch):
    tee.share(0)
    tee.write(0, DATA[:STEP])
    monkeypatch.setattr(tee._file, 'write', _full)
    tee.write(STEP, DATA[:STEP])
    tee.share(0)
    assert tee.path is None and not tee.advance() and not tee.leave(1)
    assert disk.read(STEP, STEP) == DATA[:STEP]


def test_a_file_that_is_full_when_only_it_is_left(tee, monkeypatch):
    tee.share(0)
    assert tee.leave(1)
    monkeypatch.setattr(tee._file, 'write', _full)
    with pytest.raises(exception.NoRoomForConversion):
        tee.write(0, b'x')


def _full(*_args):
    raise OSError(28, 'full')
