# SPDX-License-Identifier: Apache-2.0
"""Disks: files, and objects of os-brick. Images of RBD are for the tests with a cluster."""
import io

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.ceph import errors


@pytest.fixture(params=['path', 'object'])
def place(request, tmp_path):
    (tmp_path / 'disk').write_bytes(b'0123456789')
    if request.param == 'path':
        yield str(tmp_path / 'disk')
    else:
        with open(tmp_path / 'disk', 'r+b') as file:
            yield file


def test_a_disk_is_read_and_written(place):
    with disks.opened(place, writable=True) as disk:
        assert disk.read(2, 3) == b'234'
        disk.write(8, b'ab')
        disk.zero(0, 2)
        disk.flush()
        assert disk.read(0, 10) == b'\0\x00234567ab'
        assert disk.ranges(1, 8) == [(1, 8)]


def test_holes_of_a_file_are_not_among_its_ranges(tmp_path):
    with open(tmp_path / 'disk', 'wb') as file:
        file.truncate(1024 ** 2)
        file.seek(512 * 1024)
        file.write(b'x')
    with disks.opened(str(tmp_path / 'disk')) as disk:
        (offset, length), = disk.ranges(4096, 1024 ** 2)
    assert offset <= 512 * 1024 < offset + length
    assert length < 1024 ** 2


def test_a_file_that_ends_early_is_an_error(tmp_path):
    (tmp_path / 'disk').write_bytes(b'0123456789')
    with (disks.opened(str(tmp_path / 'disk')) as disk,
          pytest.raises(OSError, match='it ends at byte 10')):
        disk.read(8, 4)


@pytest.mark.parametrize(('error', 'raised'), [
    (errors.TimedOut, exception.BackendUnresponsive),
    (errors.Full, exception.InsufficientFreeSpace),
    (errors.Denied, exception.VolumeBackendAPIException)])
def test_errors_of_ceph_are_those_of_a_back_end(error, raised):
    with pytest.raises(raised, match='why'), disks.opened(io.BytesIO()):
        raise error('why')


@pytest.mark.parametrize(('place', 'is_file'), [
    ('/dev/vg/volume', True), ('rbd:pool/image', False), (io.BytesIO(), False)])
def test_which_places_are_paths(place, is_file):
    assert disks.is_file(place) is is_file
