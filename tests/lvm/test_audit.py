# SPDX-License-Identifier: Apache-2.0
"""Rows against a real group: what is planted below LVM is found, what is safe is healed, and what a
new volume shows is looked at on the device itself."""
import os
import time

import pytest

from cinder import exception
from cinder.volume import driver as driver_api
from tests.fakes import volumes
from tests.lvm import group

pytestmark = pytest.mark.usefixtures('without_udev')

GONE = 'volume-11111111-2222-4333-8444-555555555555'
STRAY = 4711
BOUND_SECONDS = 60


@pytest.fixture
def driver(without_udev):
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        yield group.driver(lvm_type='thin')


@pytest.fixture
def row(driver):
    volume = volumes.volume(status='available')
    driver.create_volume(volume)
    return volume


def rows(*volumes_, places=None):
    return driver_api.Rows(list(volumes_), [], set(), set(), (places or {}).get)


def found(driver, *volumes_, heal=False):
    return {(each.kind, each.name): each
            for each in driver.audit(rows(*volumes_, places={GONE: ''}), heal=heal)}


def message(text):
    group.run('dmsetup', 'message', f'{group.NAME}-{group.NAME}--pool-tpool', '0', text)


def test_what_is_planted_is_found_and_only_what_is_safe_is_healed(driver, row):
    asleep, lost = (volumes.volume(status='available') for _number in range(2))
    driver.create_volume(asleep)
    assert found(driver, row, asleep) == {}
    # Suspended by whoever died before resuming it, not active, without storage; an orphan; a
    # device and a device id that LVM knows nothing of.
    group.run('dmsetup', 'suspend', '--noflush', driver.vg.mapped_name(row.name))
    group.run('lvchange', '-an', f'{group.NAME}/{asleep.name}')
    group.run('lvcreate', '-qq', '-T', f'{group.NAME}/{group.POOL}', '-V', '8m', '-n', GONE)
    group.run('dmsetup', 'create', '--noudevsync', f'{group.NAME}-left', '--table',
              '0 8 zero')
    message(f'create_thin {STRAY}')
    safe, unsafe = {('suspended', row.name), ('inactive', asleep.name)}, {
        ('missing', lost.name), ('orphan', GONE), ('device', f'{group.NAME}-left'),
        ('thin-id', str(STRAY))}
    try:
        began = time.monotonic()
        assert found(driver, row, asleep, lost).keys() == safe | unsafe
        assert time.monotonic() - began < BOUND_SECONDS
        healed = found(driver, row, asleep, lost, heal=True)
        assert {key for key, each in healed.items() if each.healed} == safe
        # What it says to do is what mends it.
        told = found(driver, row, asleep, lost)
        assert told.keys() == unsafe
        for key in unsafe - {('missing', lost.name)}:
            # Without udev, dmsetup would wait for it.
            group.run('sh', '-c', told[key].advice.partition(',')[0].partition(';')[0]
                      + {'orphan': ' -y', 'device': ' --noudevsync'}.get(key[0], ''))
        assert found(driver, row, asleep) == {}
        assert os.path.exists(driver.local_path(asleep))
    finally:
        for argv in (('dmsetup', 'resume', driver.vg.mapped_name(row.name)),
                     ('dmsetup', 'remove', '--noudevsync', f'{group.NAME}-left')):
            try:
                group.run(*argv)
            except AssertionError:
                continue


def test_a_thin_volume_that_has_blocks_from_the_start_is_given_to_nobody(driver, monkeypatch):
    volume, create = volumes.volume(), driver.vg.create_volume

    def damaged(name, size):
        """As a pool would do it that gives a used device to a new volume."""
        is_new = create(name, size)
        with open(driver.vg.device(name), 'r+b', buffering=0) as device:
            device.write(b'secret' * 100)
            os.fsync(device.fileno())
        return is_new
    monkeypatch.setattr(driver.vg, 'create_volume', damaged)
    with pytest.raises(exception.VolumeBackendAPIException, match='not empty at byte 0'):
        driver.create_volume(volume)
    assert group.volumes_of_group() == {}


def test_a_thick_volume_on_a_disk_that_others_used_is_cleared(driver):
    driver = group.driver(lvm_type='default')
    used, new = volumes.volume(), volumes.volume()
    driver.create_volume(used)
    with open(driver.local_path(used), 'r+b', buffering=0) as device:
        device.seek(group.UNIT // 2)
        device.write(b'secret' * 20000)
        os.fsync(device.fileno())
    # Past the driver, which would clear it; the same extents are the first to be given again.
    group.run('lvremove', '-qq', '-f', f'{group.NAME}/{used.name}')
    driver.create_volume(new)
    with open(driver.local_path(new), 'rb') as device:
        assert not any(device.read())
