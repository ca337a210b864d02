# SPDX-License-Identifier: Apache-2.0
"""Samples of a device: what is found, and that they are few."""
import pytest

from cinder.privsep import zero_check

SIZE = 64 * zero_check.MIB


@pytest.fixture
def device(tmp_path):
    path = tmp_path / 'device'
    with path.open('wb') as file:
        file.truncate(SIZE)
    return path


def put(device, offset, data):
    with device.open('r+b') as file:
        file.seek(offset)
        file.write(data)


def test_zeros_are_zeros(device):
    assert zero_check.first_written(str(device), SIZE) is None


@pytest.mark.parametrize('offset', [0, zero_check.MIB - 1, SIZE - 1])
def test_a_byte_at_either_end_is_found(device, offset):
    put(device, offset, b'\1')
    assert zero_check.first_written(str(device), SIZE) in (0, SIZE - zero_check.MIB)


@pytest.mark.parametrize('start', range(0, SIZE - 4 * zero_check.MIB, 9 * zero_check.MIB))
def test_a_stretch_of_a_32nd_anywhere_is_found(device, start):
    put(device, start, b'x' * (SIZE // 32 + 64 * 1024))
    assert start <= zero_check.first_written(str(device), SIZE) < start + 3 * zero_check.MIB


@pytest.mark.parametrize('gib', [1, 1024])
def test_as_much_is_read_whatever_the_size(gib):
    places = zero_check._places(gib * 1024 ** 3)
    assert sum(length for _offset, length in places) <= 4.1 * zero_check.MIB


def test_a_missing_device_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        zero_check.first_written(str(tmp_path / 'none'), SIZE)
