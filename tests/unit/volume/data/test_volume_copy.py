# SPDX-License-Identifier: Apache-2.0
"""Bytes in pieces: where they start and end, and who moves them."""
import io

import pytest

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
