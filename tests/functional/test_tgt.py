# SPDX-License-Identifier: Apache-2.0
"""A file volume through a real tgtd: bytes written by a user-space initiator with CHAP are in the
file, and nobody gets in without the secret. No daemon of ours runs here."""
import json
import logging
import os
import subprocess
import time

import pytest

from cinder.volume.drivers import file
from tests.fakes import volumes
from tests.functional import tgt
from tests.functional.processes import wait_until
from tools.initiator import CONNECTOR, Device

MIB = 1024 ** 2
# What qemu-img calls itself where it is not told otherwise.
QEMU = 'iqn.2008-11.org.linux-kvm'

pytestmark = pytest.mark.skipif(
    not tgt.usable(), reason='needs root, tgtd (package tgt) and qemu-img with iSCSI '
                             '(qemu-utils, qemu-block-extra)')


@pytest.fixture(scope='module')
def tgtd(tmp_path_factory):
    server = tgt.Tgtd(tmp_path_factory.mktemp('tgt'))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def driver(tgtd, tmp_path, monkeypatch):
    for name, value in tgtd.environment.items():
        monkeypatch.setenv(name, value)
    driver = file.FileVolumeDriver(volumes.options(
        file_volume_dir=str(tmp_path / 'volumes'), target_helper='tgtadm', use_chap_auth=True,
        target_port=tgtd.port))
    driver.do_setup(None)
    driver.check_for_setup_error()
    return driver


@pytest.fixture
def volume(driver):
    volume = volumes.volume()
    driver.create_volume(volume)
    return volumes.stored(volume, driver.create_export(None, volume, CONNECTOR))


def in_file(driver, volume):
    with open(driver.local_path(volume), 'rb') as source:
        return source.read(MIB)


def test_bytes_go_through_with_chap(driver, volume, caplog):
    caplog.set_level(logging.DEBUG)
    sample = os.urandom(MIB)
    device = Device(driver.initialize_connection(volume, CONNECTOR))
    device.write(sample)
    assert in_file(driver, volume) == sample
    assert device.read(1) == sample
    assert volume.provider_auth.split()[2] not in caplog.text


def test_no_way_in_with_another_secret_or_none(driver, volume):
    info = driver.initialize_connection(volume, CONNECTOR)
    info['data']['auth_password'] = 'x' * 16
    with pytest.raises(OSError, match='(?i)auth'):
        Device(info).read(1)
    del info['data']['auth_method']
    with pytest.raises(OSError, match='iSCSI'):
        Device(info).read(1)
    assert not any(in_file(driver, volume))


def test_a_host_that_was_detached_gets_in_no_more_and_others_do(driver, volume):
    device = Device(driver.initialize_connection(volume, CONNECTOR))
    other = {**CONNECTOR, 'initiator': 'iqn.2000-01.org.example:other'}
    driver.initialize_connection(volume, other)
    device.write(b'mine'.ljust(MIB))
    driver.terminate_connection(volume, CONNECTOR)
    # It still knows the secret.
    with pytest.raises(OSError, match='iSCSI'):
        device.read(1)
    driver.terminate_connection(volume, other)
    driver.initialize_connection(volume, CONNECTOR)
    assert device.read(1) == b'mine'.ljust(MIB)


def test_a_reader_cannot_write(driver, volume):
    device = Device(driver.initialize_connection(volume, {**CONNECTOR, 'mode': 'ro'}))
    with pytest.raises(OSError):
        device.write(b'mine'.ljust(MIB))
    assert device.read(1) == bytes(MIB)


def test_a_session_that_is_alive_at_a_detachment_is_cut(driver, caplog):
    driver.configuration.use_chap_auth = False
    volume = volumes.volume()
    driver.create_volume(volume)
    volumes.stored(volume, driver.create_export(None, volume, CONNECTOR))
    data = driver.initialize_connection(volume, CONNECTOR)['data']

    def alive():
        return driver.target._sessions(data['target_iqn']) == {CONNECTOR['initiator']}
    options = {'driver': 'iscsi', 'transport': 'tcp', 'portal': data['target_portal'],
               'target': data['target_iqn'], 'lun': data['target_lun'],
               'initiator-name': CONNECTOR['initiator']}
    # Logged in for as long as it waits for commands.
    waiting = subprocess.Popen(['qemu-io', '--image-opts', ','.join(
        f'{name}={value}' for name, value in options.items())], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL)
    try:
        wait_until(alive, 10, 'a session')
        driver.terminate_connection(volume, CONNECTOR)
        assert f'{CONNECTOR["initiator"]} is still connected' in caplog.text
        time.sleep(1)
        assert not alive(), 'it logged in again'
    finally:
        waiting.kill()
        waiting.wait()


def test_exporting_again_keeps_the_data_and_survives_a_restart_of_tgtd(driver, volume, tgtd):
    sample = os.urandom(MIB)
    Device(driver.initialize_connection(volume, CONNECTOR)).write(sample)
    before = volume.provider_location
    assert driver.ensure_export(None, volume)['provider_location'] == before
    tgtd.kill9()
    tgtd.start()
    volumes.stored(volume, driver.ensure_export(None, volume))
    assert Device(driver.initialize_connection(volume, CONNECTOR)).read(1) == sample


def test_a_removed_export_is_no_way_in_and_may_be_removed_again(driver, volume):
    info = driver.initialize_connection(volume, CONNECTOR)
    for _attempt in range(2):
        driver.remove_export(None, volume)
    with pytest.raises(OSError, match='iSCSI'):
        Device(info).read(1)


def test_two_volumes_do_not_share_a_target(driver, volume):
    other = volumes.volume()
    driver.create_volume(other)
    volumes.stored(other, driver.create_export(None, other, CONNECTOR))
    Device(driver.initialize_connection(other, CONNECTOR)).write(b'other'.ljust(MIB))
    driver.remove_export(None, other)
    assert not any(Device(driver.initialize_connection(volume, CONNECTOR)).read(1))


def test_a_volume_that_has_grown_is_exported_with_its_new_size(driver):
    driver.configuration.use_chap_auth = False
    volume = volumes.volume()
    driver.create_volume(volume)
    volumes.stored(volume, driver.create_export(None, volume, CONNECTOR))
    driver.initialize_connection(volume, {**CONNECTOR, 'initiator': QEMU})
    driver.extend_volume(volume, 2)
    portal, iqn, lun = volume.provider_location.split()
    shown = subprocess.run(
        ['qemu-img', 'info', '--output=json', f'iscsi://{portal.split(",")[0]}/{iqn}/{lun}'],
        check=True, capture_output=True)
    assert json.loads(shown.stdout)['virtual-size'] == 2048 * MIB


def test_a_snapshot_of_an_exported_volume_has_its_bytes(driver, volume):
    sample = os.urandom(MIB)
    Device(driver.initialize_connection(volume, CONNECTOR)).write(sample)
    snapshot, copy = volumes.snapshot(volume), volumes.volume(2)
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(copy, snapshot)
    assert in_file(driver, copy) == sample
