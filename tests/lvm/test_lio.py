# SPDX-License-Identifier: Apache-2.0
"""Logical volumes through the kernel's target (LIO) to the kernel's initiator, with CHAP: who gets
in, who may write, and what becomes of sessions. No daemon of ours runs here."""
import contextlib
import errno
import os
import pathlib

import pytest

from cinder.privsep import lio
from tests.fakes import volumes
from tests.functional.processes import free_port, wait_until
from tests.lvm import group, initiator, kernel_target

MIB = 1024 ** 2


@pytest.fixture(scope='module')
def kernel():
    """A kernel with targets."""
    if not kernel_target.ready():
        pytest.skip(f'needs the kernel modules {" ".join(kernel_target.MODULES)}')


@pytest.fixture(scope='module')
def driver(kernel, tmp_path_factory):
    group.make()
    with pytest.MonkeyPatch.context() as patch, initiator.running(
            tmp_path_factory.mktemp('iscsid')):
        group.scale_down(patch)
        yield group.driver(lvm_type='thin', target_helper='lioadm', use_chap_auth=True,
                           target_port=free_port(), report_discard_supported=True)


@pytest.fixture(autouse=True)
def no_device_is_kept():
    yield
    assert not list((kernel_target.CONFIG / 'target/core').glob('iblock_*'))


def connect(driver, volume, **fields):
    return driver.initialize_connection(volume, {**initiator.CONNECTOR, **fields})


def size(path):
    with open(path, 'rb') as device:
        return device.seek(0, os.SEEK_END)


def test_bytes_discards_and_growth_in_use(driver, exported):
    volume, sample = exported(), os.urandom(MIB)
    with initiator.attached(connect(driver, volume)) as device:
        initiator.write(device, sample)
        assert initiator.read(f'/dev/{group.NAME}/{volume.name}', MIB) == sample
        queue = pathlib.Path('/sys/block', os.path.basename(os.path.realpath(device)), 'queue')
        assert int((queue / 'discard_max_bytes').read_text()) > 0
        driver.extend_volume(volume, 3)
        initiator.iscsiadm('-m', 'session', '-R')
        wait_until(lambda: size(device) == 3 * group.UNIT, 20, 'the new size')
        assert initiator.read(device, MIB) == sample


def test_who_gets_in(driver, exported):
    volume = exported()
    connection = connect(driver, volume, initiator='iqn.2000-01.org.example:other')
    with pytest.raises(OSError, match='(?i)auth'), initiator.attached(connection):
        pass
    connect(driver, volume)
    connection['data']['auth_password'] = 'x' * 16
    with pytest.raises(OSError, match='(?i)auth'), initiator.attached(connection):
        pass


def test_a_reader_cannot_write(driver, exported):
    with (initiator.attached(connect(driver, exported(), mode='ro')) as device,
          pytest.raises(OSError) as caught):
        assert initiator.read(device, MIB) == bytes(MIB)
        initiator.write(device, b'mine'.ljust(4096))
    assert caught.value.errno in (errno.EPERM, errno.EROFS, errno.EIO)


def test_exports_come_back_one_by_one_and_cut_nobody_off(driver, exported):
    lost, kept, sample = exported(), exported(), os.urandom(MIB)
    connect(driver, lost)
    with initiator.attached(connect(driver, kept)) as device:
        initiator.write(device, sample)
        # As after a boot, for one of them.
        lio.remove(driver.target.iqn(lost))
        for volume in (lost, kept):
            volume.attachments = [volumes.attachment(initiator.NAME)]
            assert driver.ensure_export(None, volume)['provider_auth'] == volume.provider_auth
        assert driver.target._sessions(driver.target.iqn(kept)) == {initiator.NAME}
        assert initiator.read(device, MIB) == sample
    with initiator.attached(connect(driver, lost)) as device:
        assert initiator.read(device, MIB) == bytes(MIB)


def test_a_session_that_is_alive_at_a_detachment_ends(driver, exported, caplog):
    volume = exported()
    with contextlib.suppress(OSError), initiator.attached(connect(driver, volume)) as device:
        # Seconds for which the initiator tries to log in again; it would be two minutes.
        for session in pathlib.Path('/sys/class/iscsi_session').iterdir():
            if (session / 'targetname').read_text().strip() == driver.target.iqn(volume):
                (session / 'recovery_tmo').write_text('1')
        driver.terminate_connection(volume, initiator.CONNECTOR)
        assert f'{initiator.NAME} is still connected' in caplog.text
        assert not driver.target._sessions(driver.target.iqn(volume))
        # It does not get in again, so the device stays what it is now: nothing.
        with pytest.raises(OSError):
            initiator.write(device, b'late'.ljust(4096))
    assert initiator.read(f'/dev/{group.NAME}/{volume.name}', 4096) == bytes(4096)
