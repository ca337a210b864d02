# SPDX-License-Identifier: Apache-2.0
"""Encrypted logical volumes that this service has written, opened by the kernel: with cryptsetup,
and as os-brick does it for Nova."""
import os
import pathlib
import subprocess

import pytest
from castellan.common.objects import symmetric_key
from os_brick import encryptors
from oslo_concurrency import processutils

from cinder.brick import disks
from cinder.brick.luks import container
from cinder.objects import encryption_formats
from tests.fakes import volumes
from tests.lvm import group

pytestmark = pytest.mark.usefixtures('without_udev')
UNITS = 4
SIZE = UNITS * group.UNIT
KEY, FEW = os.urandom(32), 1000
SECRET = KEY.hex().encode()
XTS = {'cipher': 'aes-xts-plain64', 'key_size': 256, 'control_location': 'front-end'}
TYPES = {
    'luks': XTS | {'provider': 'luks'}, '128 bits': XTS | {'provider': 'luks1', 'key_size': 128},
    'luks2': XTS | {'provider': 'luks2'}}
# The kernel is the same for all; each is quick, but the lab is not.
FULL = os.environ.get('LVM_LAB_FULL')
DATA = os.urandom(3 * 1024 ** 2 + 700)
NAME = 'lab-opened'


@pytest.fixture(scope='module', params=['thin', 'default'] if FULL else ['thin'])
def driver(request, without_udev):
    if subprocess.run(['modprobe', 'dm-crypt'], check=False).returncode:
        pytest.skip('the kernel has no dm-crypt')
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        # Nobody would answer it.
        patch.setenv('DM_DISABLE_UDEV', '1')
        yield group.driver(lvm_type=request.param)


@pytest.fixture(params=TYPES if FULL else ['luks', 'luks2'])
def written(request, driver):
    """The device of a volume with data in the middle, and its type."""
    volume, encryption = volumes.volume(UNITS), TYPES[request.param]
    driver.create_volume(volume)
    wanted = encryption_formats.of_type(encryption)
    with (disks.opened(driver.local_path(volume), writable=True) as disk,
          container.created(disk, SIZE, wanted, SECRET, FEW) as inside):
        inside.write(4096, DATA)
    yield driver.local_path(volume), encryption
    driver.delete_volume(volume)


def cryptsetup(device, secret) -> int:
    return subprocess.run(
        ['cryptsetup', 'open', '--disable-locks', '--key-file=-', '--type', 'luks', device, NAME],
        input=secret, capture_output=True, check=False, timeout=120).returncode


def content(path) -> bytes:
    with open(path, 'rb', buffering=0) as file:
        return os.pread(file.fileno(), len(DATA), 4096)


def test_the_kernel_opens_it_with_its_key_only(written):
    device, _encryption = written
    assert DATA[:64] not in pathlib.Path(device).read_bytes()
    assert cryptsetup(device, SECRET[::-1]) == 2 and cryptsetup(device, SECRET) == 0
    try:
        assert content(f'/dev/mapper/{NAME}') == DATA
    finally:
        group.run('cryptsetup', 'close', NAME)


def test_os_brick_opens_it(written, tmp_path):
    device, encryption = written
    link = tmp_path / 'volume'
    link.symlink_to(device)

    class Keys:
        def get(self, _context, _ident):
            return symmetric_key.SymmetricKey('AES', 256, KEY)

    def execute(*argv, run_as_root=False, root_helper=None, **kwargs):
        return processutils.execute(*argv, **kwargs)

    encryptor = encryptors.get_volume_encryptor(
        root_helper='', keymgr=Keys(), execute=execute, connection_info={
            'driver_volume_type': 'iscsi', 'serial': 'x',
            'data': {'device_path': str(link), 'volume_id': 'x', 'encrypted': True}},
        encryption_key_id='y', **encryption | {'provider': encryption['provider'].strip('1')})
    encryptor.attach_volume(None, **encryption)
    try:
        assert content(link) == DATA
    finally:
        encryptor.detach_volume(**encryption)
