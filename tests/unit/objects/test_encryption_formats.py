# SPDX-License-Identifier: Apache-2.0
"""The formats that volume types ask for."""
import pytest

from cinder import exception
from cinder.brick.luks import formats
from cinder.objects.encryption_formats import LUKS1, LUKS2, PLAIN, Format


@pytest.mark.parametrize(('encryption', 'expected', 'header'), [
    ({'provider': 'luks'}, Format(LUKS1, 64), 2068480),
    ({'provider': 'LUKS', 'key_size': 512}, Format(LUKS1, 64), 2068480),
    ({'provider': 'luks1', 'cipher': 'aes-xts-plain64', 'key_size': 256}, Format(LUKS1, 64),
     2068480),
    ({'provider': 'nova.volume.encryptors.luks.LuksEncryptor', 'key_size': 0}, Format(LUKS1, 64),
     2068480),
    ({'provider': 'luks', 'key_size': 128}, Format(LUKS1, 32), 1052672),
    ({'provider': 'luks2', 'control_location': 'front-end'}, Format(LUKS2, 64), 16777216),
    ({'provider': 'os_brick.encryptors.luks.Luks2Encryptor'}, Format(LUKS2, 64), 16777216),
    ({'provider': 'plain', 'cipher': 'aes-xts-plain64'}, Format(PLAIN, 0), 0),
    ({'provider': 'CryptsetupEncryptor', 'key_size': 512}, Format(PLAIN, 0), 0)])
def test_the_format_of_a_type(encryption, expected, header):
    found = formats.of_type(encryption)
    assert found == expected and found.header_bytes == header


@pytest.mark.parametrize('encryption', [
    {'provider': 'os_brick.encryptors.nop.NoOpEncryptor'},
    {'provider': 'luks', 'control_location': 'back-end'}])
def test_what_hosts_do_not_encrypt(encryption):
    assert formats.of_type(encryption) is None


@pytest.mark.parametrize(('encryption', 'reason'), [
    ({'provider': None}, 'is not known; use luks or luks2'),
    ({'provider': 'mine.Encryptor'}, "'mine.encryptor' is not known"),
    ({'provider': 'plain'}, 'only hosts can encrypt'),
    ({'provider': 'luks', 'cipher': 'aes-cbc-essiv'}, "'aes-cbc-essiv' with key_size None is not"),
    ({'provider': 'luks', 'key_size': 192}, '128 or 256')])
def test_what_cannot_be_made(encryption, reason):
    with pytest.raises(exception.VolumeDriverException, match=reason):
        formats.to_encrypt(encryption)
