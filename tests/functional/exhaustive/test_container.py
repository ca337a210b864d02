# SPDX-License-Identifier: Apache-2.0
"""Encrypted disks that this service makes, decrypted by another library; that QEMU and cryptsetup
open them: tests/functional/test_luks.py."""
import gc
import json
import os

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import ciphers, container, formats, opening
from cinder.objects.encryption_formats import LUKS1, LUKS2, Format

SECRET = bytes(range(32)).hex().encode()
FEW, MIB = 1000, 1024 ** 2
FORMATS = [Format(LUKS1, 64), Format(LUKS1, 32), Format(LUKS2, 64)]
SIZE = 18 * MIB


@pytest.fixture
def path(tmp_path):
    """A disk with data of former times."""
    (tmp_path / 'disk').write_bytes(os.urandom(4096) * (SIZE // 4096))
    return str(tmp_path / 'disk')


def make(path, wanted, *writes, secret=SECRET):
    with disks.opened(path, writable=True) as disk, container.created(
            disk, SIZE, wanted, secret, FEW) as inside:
        for offset, data in writes:
            inside.write(offset, data)
        return inside


def reference(path, wanted, secret=SECRET):
    """What the disk contains, decrypted by another implementation."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    with disks.opened(path) as disk:
        key = opening.open_header(disk, secret).key
        raw = disk.read(wanted.header_bytes, 64 * 1024)
    found = b''
    for place in range(0, len(raw), wanted.sector):
        # dm-crypt counts in 512 bytes whatever the size of a sector.
        mode = modes.XTS((place // 512).to_bytes(16, 'little'))
        found += Cipher(algorithms.AES(key), mode).decryptor().update(
            raw[place:place + wanted.sector])
    return found


@pytest.mark.parametrize('wanted', FORMATS)
def test_what_is_written_is_read(path, wanted):
    data = os.urandom(3000)
    inside = make(path, wanted, (0, bytes(65536)), (700, data), (4096, data), (3700, b'x'))
    expected = bytearray(65536)
    expected[700:3700], expected[4096:7096], expected[3700:3701] = data, data, b'x'
    assert reference(path, wanted) == expected
    with disks.opened(path, writable=True) as disk:
        inside._disk = disk
        assert inside.read(600, 5000) == expected[600:5600]
        inside.zero(701, 2999)
        assert inside.read(690, 3020) == bytes(10) + data[:1] + bytes(2999) + b'x' + bytes(9)
    assert inside.size == SIZE - wanted.header_bytes and inside.ranges(5, 6) == [(5, 6)]


def test_storage_gets_bytes(path):
    """librbd refuses what is only like them."""
    class Strict(disks.Descriptor):
        def write(self, offset, data):
            assert type(data) is bytes
            super().write(offset, data)

    descriptor = os.open(path, os.O_RDWR)
    with container.created(Strict(descriptor), SIZE, FORMATS[1], SECRET, FEW) as inside:
        inside.write(0, bytearray(700))
        inside.zero(700, 5000)
    os.close(descriptor)


def test_what_was_encrypted_is_not_kept():
    """What only the collector of garbage finds, is megabytes for each part of an image."""
    sectors = ciphers.Sectors('aes-xts-plain64', bytes(range(64)))
    for _twice in range(2):  # the classes of arrays are kept
        gc.collect()
        assert sectors.decrypt(sectors.encrypt(bytes(4096), 512), 512) == bytes(4096)
    assert gc.collect() == 0


def test_more_than_there_is_room_for(path):
    with pytest.raises(exception.VolumeDriverException, match='do not fit'):
        make(path, FORMATS[0], (SIZE - FORMATS[0].header_bytes - 1, b'xy'))
    with disks.opened(path) as disk:
        assert opening.open_header(disk, SECRET) is None


def test_a_header_is_written_last(path):
    with pytest.raises(KeyError), disks.opened(path, writable=True) as disk, container.created(
            disk, SIZE, FORMATS[2], SECRET, FEW):
        raise KeyError
    with disks.opened(path) as disk:
        assert disk.read(0, FORMATS[2].header_bytes).count(0) == FORMATS[2].header_bytes


def test_where_the_data_begins():
    text = json.dumps({'segments': {'0': {'offset': '16777216', 'size': 'dynamic'}}}).encode()
    two = (b'LUKS\xba\xbe\0\x02'.ljust(4096, b'\0') + text).ljust(16384, b'\0')
    assert formats.payload_offset(two) == 16777216
    assert formats.payload_offset(bytes(16384)) == formats.payload_offset(b'') == 0
