# SPDX-License-Identifier: Apache-2.0
"""Headers of LUKS are opened by QEMU, which hosts of instances use."""
import json
import subprocess

import pytest

from cinder import exception
from cinder.brick.luks import formats, luks1

SECRET = b'0123456789abcdef' * 4
FEW = 1000


@pytest.mark.parametrize(('encryption', 'key_bytes'), [
    ({'provider': 'luks'}, 64), ({'provider': 'LUKS', 'key_size': 512}, 64),
    ({'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256}, 64),
    ({'provider': 'nova.volume.encryptors.luks.LuksEncryptor', 'key_size': 0}, 64),
    ({'provider': 'luks', 'key_size': 128}, 32)])
def test_the_keys_of_a_type(encryption, key_bytes):
    assert formats.key_bytes(encryption) == key_bytes


def test_a_header(tmp_path):
    made = luks1.header(SECRET, {'provider': 'luks', 'key_size': 128}, FEW)
    assert len(made) == formats.payload_offset(made[:16384]) == 1052672
    (tmp_path / 'disk').write_bytes(made + bytes(4096))
    for secret, opens in ((SECRET, True), (b'another', False)):
        (tmp_path / 'secret').write_bytes(secret)
        done = subprocess.run(
            ['qemu-img', 'convert', '--object', f'secret,id=s,file={tmp_path}/secret',
             '--image-opts', f'driver=luks,key-secret=s,file.filename={tmp_path}/disk',
             '-O', 'raw', tmp_path / 'out'], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is opens, done.stderr
    assert (tmp_path / 'out').stat().st_size == 4096


@pytest.mark.parametrize('encryption', [
    {'provider': 'plain'}, {'provider': 'luks2'}, {'provider': None},
    {'provider': 'luks', 'cipher': 'aes-cbc-essiv'}, {'provider': 'luks', 'key_size': 192}])
def test_what_cannot_be_made(encryption):
    with pytest.raises(exception.VolumeDriverException, match='is not possible on this back end'):
        luks1.header(SECRET, encryption)


def test_where_the_data_begins():
    text = json.dumps({'segments': {'0': {'offset': '16777216', 'size': 'dynamic'}}}).encode()
    two = (b'LUKS\xba\xbe\0\x02'.ljust(4096, b'\0') + text).ljust(16384, b'\0')
    assert formats.payload_offset(two) == 16777216
    assert formats.payload_offset(bytes(16384)) == formats.payload_offset(b'') == 0
