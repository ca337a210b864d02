# SPDX-License-Identifier: Apache-2.0
"""The ranges of files that have data, and those in which two files that share blocks differ."""
import errno
import fcntl
import random
import struct

import pytest

from cinder.brick.local_dev import extents

HEAD, EXTENT = struct.Struct('=QQLLLL'), struct.Struct('=QQQQQLLLL')


def test_data_ranges(tmp_path):
    path = tmp_path / 'file'
    with open(path, 'wb') as file:
        file.truncate(2 ** 24)
        file.seek(2 ** 20)
        file.write(b'x')
    found = extents.data_ranges(str(path))
    assert all(0 <= start < start + length <= 2 ** 24 for start, length in found)
    assert any(start <= 2 ** 20 < start + length for start, length in found)
    assert sum(length for _start, length in found) < 2 ** 24
    path.write_bytes(b'')
    assert extents.data_ranges(str(path)) == []


@pytest.fixture
def layouts(monkeypatch, tmp_path):
    """Name of a file -> its extents (logical, physical, length, flags), told in pieces of two."""
    monkeypatch.setattr(extents, '_AT_ONCE', 2)
    made, names = {}, {}
    monkeypatch.setattr(extents, 'open', lambda path, *_args, **_kw: Opened(path), raising=False)

    class Opened:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *_args):
            """Nothing to close."""

        def fileno(self):
            names[id(self.path)] = self.path
            return id(self.path)

    def ioctl(descriptor, _request, buffer):
        layout = made[names[descriptor]]
        if layout is None:
            raise OSError(errno.EOPNOTSUPP, 'no')
        start = HEAD.unpack_from(buffer)[0]
        left = [each for each in layout if each[0] + each[2] > start]
        for number, (logical, physical, length, flags) in enumerate(left[:2]):
            last = 1 if number == len(left) - 1 else 0
            EXTENT.pack_into(buffer, HEAD.size + number * EXTENT.size, logical, physical, length,
                             0, 0, flags | last, 0, 0, 0)
        HEAD.pack_into(buffer, 0, start, 0, 0, min(2, len(left)), 2, 0)
    monkeypatch.setattr(fcntl, 'ioctl', ioctl)
    return made


def test_what_is_in_the_same_place_is_the_same(layouts):
    layouts['old'] = [(0, 100, 40, 0), (40, 300, 10, 0), (60, 400, 10, 0x800), (80, 500, 10, 0)]
    layouts['new'] = [(0, 100, 10, 0), (10, 700, 10, 0), (20, 120, 20, 0), (50, 800, 5, 0),
                      (80, 500, 10, 0)]
    assert extents.changed_ranges('new', 'old') == [(10, 10), (40, 15)]
    assert extents.changed_ranges('new', 'new') == []


@pytest.mark.parametrize('flags', [0x2, 0x4, 0x8, 0x80, 0x100, 0x200, 0x400])
def test_a_place_that_is_not_known_may_differ(layouts, flags):
    layouts['new'] = layouts['old'] = [(0, 100, 40, flags)]
    assert extents.changed_ranges('new', 'old') == [(0, 40)]


def test_a_file_system_that_does_not_tell(layouts):
    layouts['new'] = layouts['old'] = None
    assert extents.changed_ranges('new', 'old') is None


def test_random_layouts(layouts):
    """Against a model of one byte at a time."""
    dice = random.Random(5)

    def layout():
        made, start = [], 0
        while start < 200:
            start += dice.randrange(4)
            length = dice.randrange(1, 9)
            made.append((start, 1000 * dice.randrange(2) + start, length,
                         dice.choice((0, 0, 0x800))))
            start += length
        return made

    def model(extents_):
        return {start + number: physical + number for start, physical, length, flags in extents_
                for number in range(length) if not flags}
    for _round in range(50):
        layouts['old'], layouts['new'] = layout(), layout()
        old, new = model(layouts['old']), model(layouts['new'])
        told = {byte for start, length in extents.changed_ranges('new', 'old')
                for byte in range(start, start + length)}
        assert told == {byte for byte in range(300) if old.get(byte) != new.get(byte)}
