# SPDX-License-Identifier: Apache-2.0
"""Images on logical volumes, thin and thick: the helper opens the devices, and what is written is
read past the service."""
import os
import subprocess

import pytest

from tests.lvm import group, service
from tests.lvm.service import MIB, TIMEOUT_SECONDS, delete, digest, stored

DISK = os.urandom(MIB) + bytes(3 * MIB) + os.urandom(MIB + 5000)
LENGTH = 8 * MIB
WHOLE = digest(DISK.ljust(LENGTH, b'\0'))


@pytest.fixture
def data(tmp_path):
    """Return the disk in a format."""
    def convert(disk_format):
        raw, made = tmp_path / 'raw', tmp_path / 'made'
        raw.write_bytes(DISK)
        subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', disk_format, raw, made],
                       check=True)
        return DISK if disk_format == 'raw' else made.read_bytes()
    return convert


@pytest.mark.parametrize(('disk_format', 'groups'), [
    ('raw', tuple(service.BACKENDS)), ('qcow2', (group.NAME,))])
def test_an_image_on_each_group_is_transferred_once(client, image_server, data, disk_format,
                                                    groups):
    """Their back ends are processes of their own."""
    image = image_server.add(data(disk_format), disk_format)
    made = {name: client.create_volume(1, imageRef=image, volume_type=name)['id']
            for name in groups}
    for name, volume in made.items():
        client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
        assert stored(volume, LENGTH, name) == WHOLE
    assert image_server.transfers[image] == 1
    delete(client, 'volume', *made.values())


def test_an_image_that_is_not_good_leaves_zeros(client, image_server):
    """It is known at the end only, when the data is on the volume."""
    image = image_server.add(DISK, os_hash_value='0' * 64)
    volume = client.create_volume(1, imageRef=image, volume_type=group.NAME)['id']
    client.wait_for_status('volume', volume, 'error', TIMEOUT_SECONDS)
    assert 'checksum' in client.messages(volume)[0]['user_message']
    assert stored(volume, LENGTH) == digest(bytes(LENGTH))
    delete(client, 'volume', volume)
