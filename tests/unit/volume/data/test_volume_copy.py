# SPDX-License-Identifier: Apache-2.0
"""Bytes in pieces: where they start and end, and who moves them."""
import io
import types

import pytest

from cinder.brick.local_dev import sparse_files
from cinder.brick.local_dev.throttle import MIB
from cinder.volume.data import volume_copy


class Mover:
    def __init__(self):
        self.moved = []

    def copy_range(self, *arguments):
        self.moved.append(arguments)


@pytest.fixture
def paths(tmp_path):
    for name in ('source', 'target'):
        (tmp_path / name).write_bytes(bytes(25))
    (tmp_path / 'source').write_bytes(b'0123456789abcdefghijklmno')
    return str(tmp_path / 'source'), str(tmp_path / 'target')


@pytest.mark.parametrize(('start', 'done'), [
    (0, [10, 20, 25]), (20, [25]), (25, []), (7, [17, 25])])
def test_files_are_copied_here(paths, monkeypatch, start, done):
    monkeypatch.setattr(volume_copy, 'PIECE', 10)
    assert list(volume_copy.copy(*paths, 25, start, reads_zeros=True, mover=None)) == done
    with open(paths[1], 'rb') as file:
        assert file.read() == bytes(start) + b'0123456789abcdefghijklmno'[start:]


@pytest.mark.parametrize(('reads_zeros', 'holes'), [(True, b'xx'), (False, b'\0\0')])
def test_what_is_no_path_is_copied_here_without_holes(tmp_path, monkeypatch, reads_zeros, holes):
    """As images of RBD, and what os-brick connects."""
    monkeypatch.setattr(volume_copy, 'PIECE', 16)
    monkeypatch.setattr(volume_copy, 'CHUNK', 4)
    source, target = io.BytesIO(b'abcdefgh' + bytes(8) + b'ijklmnopqr'), tmp_path / 'target'
    target.write_bytes(b'x' * 26)
    assert list(volume_copy.copy(source, str(target), 26, reads_zeros=reads_zeros,
                                 mover=None)) == [16, 26]
    assert target.read_bytes() == b'abcdefgh' + holes * 4 + b'ijklmnopqr'


def test_devices_and_what_does_not_read_zeros_are_for_the_mover(paths, monkeypatch):
    monkeypatch.setattr(volume_copy, 'PIECE', 10)
    mover = Mover()
    assert list(volume_copy.copy(*paths, 25, mover=mover)) == [10, 20, 25]
    list(volume_copy.copy('/dev/null', paths[1], 5, reads_zeros=True, mover=mover))
    assert mover.moved == [(*paths, 0, 10, False), (*paths, 10, 10, False), (*paths, 20, 5, False),
                           ('/dev/null', paths[1], 0, 5, True)]


@pytest.mark.parametrize('rate', [2 * MIB, 7 * MIB + 12345, 80 * MIB, 500 * MIB, 4096 * MIB])
@pytest.mark.parametrize('kind', ['devices', 'files', 'disks'])
def test_a_copy_can_be_ended_within_a_second_at_any_rate(tmp_path, monkeypatch, rate, kind):
    """It can be ended after each piece, which costs as much as a process of dd needs to start. The
    whole copy takes at most 4 % longer than in the largest pieces."""
    now, size = [0.0], 64 * 1024 * MIB if rate > 100 * MIB else 1024 * MIB

    def work(length):
        now[0] += 0.01 + length / rate

    source = tmp_path / 'source'
    source.touch()
    monkeypatch.setattr(volume_copy, 'time', types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(sparse_files, 'copy_range', lambda *args: work(args[3]))
    monkeypatch.setattr(volume_copy, '_move', lambda *args: work(args[3]))
    mover = types.SimpleNamespace(copy_range=lambda *args: work(args[3]))
    ends = [now[0] for _done in volume_copy.copy(
        io.BytesIO() if kind == 'disks' else str(source), str(source), size,
        reads_zeros=kind != 'devices', mover=mover)]
    assert max(later - one for one, later in zip([0.0, *ends], ends, strict=False)) <= 1
    assert now[0] <= 1.04 * size / rate + 0.01 * size / volume_copy.PIECE


@pytest.mark.parametrize('start', [0.2, 1, 5])
def test_pieces_grow_although_each_has_a_slow_start(monkeypatch, start):
    """As on a machine that needs a second to start a program."""
    now, size, rate = [0.0], 4096 * MIB, 100 * MIB

    def work(*args):
        now[0] += start + args[3] / rate

    monkeypatch.setattr(volume_copy, 'time', types.SimpleNamespace(monotonic=lambda: now[0]))
    mover = types.SimpleNamespace(copy_range=work)
    done = list(volume_copy.copy('/dev/null', '/dev/null', size, mover=mover))
    assert done[-1] == size
    assert now[0] <= 2.5 * (size / rate + start * size / volume_copy.PIECE)
