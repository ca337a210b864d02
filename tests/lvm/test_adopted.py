# SPDX-License-Identifier: Apache-2.0
"""A driver takes over what the original made while an initiator writes to it: exports by tgt and by
LIO, thin and thick logical volumes. No daemon of ours runs here."""
import contextlib
import os

import pytest

from cinder.privsep import lio
from tests.fakes import volumes
from tests.functional.processes import free_port
from tests.functional.tgt import Tgtd
from tests.lvm import group, initiator, kernel_target, original
from tests.lvm.original import Traffic
from tools import guest, lab

MIB = 1024 ** 2
HELPERS = ('tgtadm', 'lioadm')


class Place:
    """A target daemon or kernel with a volume of the original, and our driver."""

    def __init__(self, helper, folder):
        self.helper, self.folder = helper, folder / 'volumes'
        self.tgtd = Tgtd(folder / 'tgt')
        self.port = self.tgtd.port if helper == 'tgtadm' else free_port()
        self.driver = group.driver(lvm_type='thin', target_helper=helper, target_port=self.port)

    def export(self, volume):
        """As the original."""
        volume.provider_location, volume.provider_auth = original.export(
            self.helper, self.folder, volume.name, f'/dev/{group.NAME}/{volume.name}', self.port)

    def identity(self, volume):
        """What an initiator knows the unit by."""
        if self.helper == 'tgtadm':
            unit = original.unit_of_tgt(volume.name)
            return unit['SCSI ID'], unit['SCSI SN']
        return original.unit_of_lio(volume.name)

    def lose(self, volume):
        """As by a boot."""
        if self.helper == 'tgtadm':
            self.tgtd.kill9()
            self.tgtd.start()
        else:
            lio.remove(original.iqn(volume.name))


@pytest.fixture(params=HELPERS)
def place(request, tmp_path):
    if request.param == 'lioadm' and not kernel_target.ready():
        pytest.skip(f'needs the kernel modules {" ".join(kernel_target.MODULES)}')
    if original.ENVIRONMENT and os.environ[lab.DEVICE] != guest.DEVICE:
        pytest.skip('the original changes /etc of this machine; it runs in guests only')
    with pytest.MonkeyPatch.context() as patch, initiator.running(tmp_path):
        group.make()
        group.scale_down(patch)
        made = Place(request.param, tmp_path)
        for name, value in made.tgtd.environment.items():
            patch.setenv(name, value)
        if made.helper == 'tgtadm':
            made.tgtd.start()
        yield made
        if made.helper == 'tgtadm':
            made.tgtd.stop()
        assert not list((kernel_target.CONFIG / 'target/core').glob('iblock_*'))


def test_a_session_of_the_original_outlives_switch_restart_and_boot(place):
    driver, volume = place.driver, volumes.volume()
    driver.create_volume(volume)
    place.export(volume)
    volume.attachments = [volumes.attachment(initiator.NAME)]
    connection = original.connection(volume.provider_location, volume.provider_auth)
    assert connection['target_lun'] == (place.helper == 'tgtadm')
    before = place.identity(volume)
    with initiator.attached(connection) as device, Traffic(device) as traffic:
        traffic.goes_on()
        sessions = initiator.sessions()
        for _start in range(2):
            volumes.stored(volume, driver.ensure_export(None, volume))
            traffic.goes_on()
        assert initiator.sessions() == sessions
        assert place.identity(volume) == before
        if place.helper == 'tgtadm':
            assert original.unit_of_tgt(volume.name)['ACL'] == initiator.NAME
        with original.paused('iscsid'):
            place.lose(volume)
            volumes.stored(volume, driver.ensure_export(None, volume))
        traffic.goes_on()
        assert place.identity(volume) == before
    traffic.check(driver.local_path(volume))
    assert volume.provider_location.split()[1:3] == [
        connection['target_iqn'], str(connection['target_lun'])]
    driver.terminate_connection(volume, initiator.CONNECTOR)
    volumes.stored(volume, driver.remove_export(None, volume))
    with pytest.raises(OSError, match='(?i)fail|not found|error'), initiator.attached(connection):
        pass
    volume.attachments = []
    volumes.stored(volume, driver.create_export(None, volume, initiator.CONNECTOR))
    ours = driver.initialize_connection(volume, initiator.CONNECTOR)
    assert ours['data']['target_lun'] == 1
    with initiator.attached(ours) as device:
        initiator.write(device, b'ours'.ljust(4096))
    assert initiator.read(driver.local_path(volume), 4) == b'ours'
    driver.terminate_connection(volume, initiator.CONNECTOR)
    driver.remove_export(None, volume)
    driver.delete_volume(volume)


def planted(kind, size=1):
    """A volume as the original makes it."""
    volume = volumes.volume(size)
    if kind == 'thin':
        if group.POOL not in group.run('lvs', group.NAME):
            group.run('lvcreate', '-T', '-L', '128m', f'{group.NAME}/{group.POOL}')
        group.run('lvcreate', '-T', '-V', f'{size * group.UNIT}b', '-n', volume.name,
                  f'{group.NAME}/{group.POOL}')
    else:
        group.run('lvcreate', '-L', f'{size * group.UNIT}b', '-n', volume.name, group.NAME)
    return volume


def snapped(kind, volume):
    """A snapshot as the original makes it."""
    snapshot = volumes.snapshot(volume)
    size = () if kind == 'thin' else ('-L', f'{volume.size * group.UNIT}b')
    group.run('lvcreate', '-s', '-n', f'_{snapshot.name}', f'{group.NAME}/{volume.name}', *size)
    return snapshot


@pytest.mark.parametrize('kind', ['thin', 'default'])
def test_volumes_and_snapshots_of_the_original_do_what_ours_do(without_udev, kind):
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        volume = planted(kind)
        # As after a migration by the original: the name contains the name_id of the row.
        volume.id = volumes.volume().id
        path = f'/dev/{group.NAME}/{volume.name}'
        one, two = os.urandom(MIB), os.urandom(MIB)
        initiator.write(path, one)
        snapshot = snapped(kind, volume)
        initiator.write(path, two)
        driver = group.driver(lvm_type='auto')
        assert driver.sparse_copy == (kind == 'thin')
        assert driver.list_allocated([volume]) == {volume.id}
        copy, clone = volumes.volume(2), volumes.volume()
        driver.create_volume_from_snapshot(copy, snapshot)
        driver.create_cloned_volume(clone, volume)
        assert initiator.read(driver.local_path(copy), MIB) == one
        assert initiator.read(driver.local_path(clone), MIB) == two
        with contextlib.ExitStack() as stack:
            stack.callback(driver.close_snapshot, snapshot)
            assert initiator.read(driver.open_snapshot(snapshot), MIB) == one
        driver.revert_to_snapshot(volume, snapshot)
        assert initiator.read(path, MIB) == one
        driver.extend_volume(volume, 3)
        driver.delete_snapshot(snapshot)
        assert initiator.read(path, MIB) == one
        with open(path, 'rb') as device:
            assert device.seek(0, os.SEEK_END) == 3 * group.UNIT
        for each in (volume, copy, clone):
            driver.delete_volume(each)
        assert group.volumes_of_group() == {}
