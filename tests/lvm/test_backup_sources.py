# SPDX-License-Identifier: Apache-2.0
"""What backups read of a real thin pool: the mapped ranges of a snapshot, and those that changed
since another one. test_iscsi.py exports a snapshot to another machine."""
import os
import random

import pytest

from cinder.conf import CONF
from cinder.privsep import device_files
from tests.fakes import volumes
from tests.lvm import group

UNITS = 8
SIZE = UNITS * group.UNIT
BLOCK = 64 * 1024
BLOCKS = SIZE // BLOCK


@pytest.fixture
def folder(tmp_path):
    CONF.set_override('state_path', str(tmp_path))
    yield tmp_path
    CONF.clear_override('state_path')


@pytest.fixture(scope='module')
def driver(without_udev):
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        yield group.driver(lvm_type='thin')


@pytest.fixture
def volume(driver):
    made = volumes.volume(UNITS)
    driver.create_volume(made)
    yield made
    group.clear()


def snapshot_of(driver, volume):
    made = volumes.snapshot(volume)
    made.provider_location = made.provider_auth = None
    driver.create_snapshot(made)
    return made


def write(path, blocks, dice):
    """Write these blocks of a device, each with other data."""
    with open(path, 'r+b', buffering=0) as device:
        for number in blocks:
            os.pwrite(device.fileno(), dice.randbytes(BLOCK), number * BLOCK)
        os.fsync(device.fileno())


def read(driver, snapshot):
    """All data of a snapshot, read as the backup service does it."""
    descriptor = device_files.open_file(driver.open_snapshot(snapshot))
    try:
        return b''.join(os.pread(descriptor, group.UNIT, unit * group.UNIT)
                        for unit in range(UNITS))
    finally:
        os.close(descriptor)
        driver.close_snapshot(snapshot)


def blocks_of(ranges):
    return {number for offset, length in ranges
            for number in range(offset // BLOCK, (offset + length) // BLOCK)}


def reserved(driver):
    """Whether somebody holds a snapshot of the pool's metadata."""
    status = group.run('dmsetup', 'status', f'{group.NAME}-{group.NAME}--pool-tpool')
    return status.split()[6] != '-'


def test_a_full_backup_reads_what_is_mapped(driver, volume, folder):
    dice = random.Random(1)
    assert list(driver.mapped_ranges(snapshot_of(driver, volume))) == []
    written = set(dice.sample(range(BLOCKS), BLOCKS // 10))
    write(driver.local_path(volume), written, dice)
    snapshot = snapshot_of(driver, volume)
    ranges = list(driver.mapped_ranges(snapshot))
    assert ranges == sorted(ranges) and blocks_of(ranges) == written
    data = read(driver, snapshot)
    assert not any(any(data[number * BLOCK:(number + 1) * BLOCK])
                   for number in set(range(BLOCKS)) - written)
    assert not reserved(driver)


def test_an_incremental_backup_reads_one_percent_of_which_one_percent_changed(
        driver, volume, folder):
    dice = random.Random(2)
    path = driver.local_path(volume)
    write(path, range(BLOCKS // 2), dice)
    base = snapshot_of(driver, volume)
    changed = set(dice.sample(range(BLOCKS), BLOCKS // 100))
    write(path, changed, dice)
    gone = max(set(range(BLOCKS // 2)) - changed)
    group.run('blkdiscard', '-o', str(gone * BLOCK), '-l', str(BLOCK), path)
    new = snapshot_of(driver, volume)
    # What comes later is not in the snapshot.
    write(path, [0], dice)
    ranges = list(driver.changed_ranges(new, base))
    assert blocks_of(ranges) == changed | {gone}
    assert sum(length for _offset, length in ranges) <= 3 * SIZE // 100
    before, after = bytearray(read(driver, base)), read(driver, new)
    assert before != after
    for offset, length in ranges:
        before[offset:offset + length] = after[offset:offset + length]
    assert before == after
    assert list(driver.changed_ranges(base, base)) == []
    driver.delete_snapshot(base)
    assert driver.changed_ranges(new, base) is None
    assert not reserved(driver)


def test_a_reservation_that_was_left_is_released_and_one_of_another_program_stays(
        driver, volume, folder, caplog):
    pool = f'{group.NAME}-{group.NAME}--pool-tpool'
    snapshot = snapshot_of(driver, volume)
    group.run('dmsetup', 'message', pool, '0', 'reserve_metadata_snap')
    assert driver.mapped_ranges(snapshot) is None
    assert 'so all of it is read: thin_dump:' in caplog.text and reserved(driver)
    mark, = folder.iterdir()
    assert mark.stat().st_size == 0
    mark.write_bytes(b'reserved')
    assert list(driver.mapped_ranges(snapshot)) == []
    assert not reserved(driver) and mark.stat().st_size == 0
