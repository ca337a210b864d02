# SPDX-License-Identifier: Apache-2.0
"""Logical volumes through a real tgtd to the kernel's initiator, with CHAP: bytes, sizes, sessions.
No daemon of ours runs here."""
import hashlib
import os
import subprocess

import pytest

from cinder import exception
from tests.fakes import volumes
from tests.functional.tgt import Tgtd
from tests.lvm import group, initiator

MIB = 1024 ** 2


@pytest.fixture(scope='module')
def tgtd(tmp_path_factory):
    with initiator.running(tmp_path_factory.mktemp('iscsid')):
        server = Tgtd(tmp_path_factory.mktemp('tgt'))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope='module')
def driver(tgtd):
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        for name, value in tgtd.environment.items():
            patch.setenv(name, value)
        yield group.driver(lvm_type='thin', target_helper='tgtadm', use_chap_auth=True,
                           target_port=tgtd.port)


def connect(driver, volume):
    return driver.initialize_connection(volume, initiator.CONNECTOR)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def on_storage(volume, length):
    return initiator.read(f'/dev/{group.NAME}/{volume.name}', length)


def test_bytes_go_through_with_chap_and_stay_when_the_volume_grows(driver, exported):
    volume, sample = exported(), os.urandom(4 * MIB)
    connection = connect(driver, volume)
    assert connection['data']['auth_method'] == 'CHAP'
    with initiator.attached(connection) as device:
        initiator.write(device, sample)
    assert digest(on_storage(volume, len(sample))) == digest(sample)
    driver.extend_volume(volume, 3)
    with initiator.attached(connection) as device:
        assert digest(initiator.read(device, len(sample))) == digest(sample)
        with open(device, 'rb') as whole:
            assert whole.seek(0, os.SEEK_END) == 3 * group.UNIT
    # tgtd holds it open.
    with pytest.raises(exception.VolumeIsBusy):
        driver.delete_volume(volume)


def test_nobody_gets_in_with_another_secret_or_none(driver, exported):
    connection = connect(driver, exported())
    connection['data']['auth_password'] = 'x' * 16
    with pytest.raises(OSError, match='(?i)auth'), initiator.attached(connection):
        pass
    del connection['data']['auth_method']
    with pytest.raises(OSError, match='(?i)auth'), initiator.attached(connection):
        pass


def test_another_machine_reads_a_snapshot_and_cannot_write(driver, exported):
    volume, sample = exported(), os.urandom(MIB)
    initiator.write(driver.local_path(volume), sample)
    snapshot = volumes.snapshot(volume)
    snapshot.provider_location = snapshot.provider_auth = None
    driver.create_snapshot(snapshot)
    initiator.write(driver.local_path(volume), bytes(MIB))
    volumes.stored(snapshot, driver.export_snapshot(snapshot, initiator.CONNECTOR))
    with initiator.attached(driver.connect_snapshot(snapshot, initiator.CONNECTOR)) as device:
        assert digest(initiator.read(device, MIB)) == digest(sample)
        done = subprocess.run(['dd', 'if=/dev/zero', f'of={device}', 'count=1', 'oflag=direct'],
                              capture_output=True, check=False)
        assert done.returncode
    volumes.stored(snapshot, driver.unexport_snapshot(snapshot))
    assert not snapshot.provider_location
    driver.close_snapshot(snapshot)
    assert digest(initiator.read(driver.open_snapshot(snapshot), MIB)) == digest(sample)
    driver.close_snapshot(snapshot)
    driver.delete_snapshot(snapshot)


def test_a_snapshot_and_a_clone_of_an_attached_volume_have_what_was_flushed(driver, exported):
    volume, sample = exported(), os.urandom(MIB)
    snapshot, from_snapshot, clone = volumes.snapshot(volume), volumes.volume(), volumes.volume(2)
    with initiator.attached(connect(driver, volume)) as device:
        initiator.write(device, sample)
        driver.create_snapshot(snapshot)
        driver.create_cloned_volume(clone, volume)
        initiator.write(device, bytes(MIB))
        driver.create_volume_from_snapshot(from_snapshot, snapshot)
    for copy in (from_snapshot, clone):
        assert digest(on_storage(copy, MIB)) == digest(sample)
    for copy in (from_snapshot, clone):
        driver.delete_volume(copy)
    driver.delete_snapshot(snapshot)


def test_sessions_go_on_after_a_restart_of_tgtd(driver, exported, tgtd):
    volume, sample = exported(), os.urandom(MIB)
    with initiator.attached(connect(driver, volume)) as device:
        initiator.write(device, sample)
        tgtd.kill9()
        tgtd.start()
        before = volume.provider_location
        # Who is let in again, the rows of the attachments tell.
        volume.attachments = [volumes.attachment(initiator.NAME)]
        assert driver.ensure_export(None, volume)['provider_location'] == before
        # The initiator logs in again by itself, with the same secret.
        assert digest(initiator.read(device, MIB)) == digest(sample)
        # Exporting what is exported cuts nobody off.
        driver.ensure_export(None, volume)
        initiator.write(device, sample[::-1])
    assert digest(on_storage(volume, MIB)) == digest(sample[::-1])
