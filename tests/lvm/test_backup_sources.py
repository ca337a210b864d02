# SPDX-License-Identifier: Apache-2.0
"""What backups read of a real thin pool: the mapped ranges of a snapshot, and those that changed
since another one. test_iscsi.py exports a snapshot to another machine."""
import os
import pathlib
import random

import pytest

from cinder import exception
from cinder.backup.chunked import reader, writer
from cinder.backup.drivers import posix
from cinder.backup.facts import Source, Target
from cinder.backup.volume_data import Descriptor
from cinder.conf import CONF
from cinder.privsep import device_files
from tests.fakes import volumes
from tests.lvm import group
from tests.unit.backup.chunked.conftest import Bench

UNITS = 4
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


def backed_up(driver, bench, snapshot, parent=None, **ranges):
    """Back a snapshot up; the backup, and what was written."""
    backup = bench.backup(parent)
    descriptor = device_files.open_file(driver.open_snapshot(snapshot))
    try:
        return backup, writer.write(bench.store, backup,
                                    Source(Descriptor(descriptor), SIZE, **ranges),
                                    spool=bench.spool, parent=parent)
    finally:
        os.close(descriptor)
        driver.close_snapshot(snapshot)


def restored(driver, bench, chain):
    """Restore a chain to a new volume; what is on that then."""
    volume = volumes.volume(UNITS)
    driver.create_volume(volume)
    descriptor = device_files.open_file(driver.local_path(volume), writable=True)
    try:
        reader.restore(bench.store, chain, Target(Descriptor(descriptor), SIZE, zeroed=True),
                       spool=bench.spool)
    finally:
        os.close(descriptor)
    snapshot = snapshot_of(driver, volume)
    assert len(blocks_of(driver.mapped_ranges(snapshot))) <= BLOCKS // 2
    return read(driver, snapshot)


@pytest.fixture
def bench(folder):
    """A store in a directory."""
    for name, value in (('backup_posix_path', folder / 'store'), ('backup_file_size', 2 ** 24)):
        CONF.set_override(name, str(value) if isinstance(value, pathlib.Path) else value)
    (folder / 'store').mkdir()
    (folder / 'spool').mkdir()
    yield Bench(posix.PosixBackupDriver(CONF), folder / 'spool')
    for name in ('backup_posix_path', 'backup_file_size'):
        CONF.clear_override(name)


def test_an_incremental_backup_reads_one_percent_of_which_one_percent_changed(
        driver, volume, bench):
    dice = random.Random(2)
    path = driver.local_path(volume)
    written = range(BLOCKS // 2 - 5)
    write(path, written, dice)
    base = snapshot_of(driver, volume)
    full, made = backed_up(driver, bench, base, mapped=driver.mapped_ranges(base))
    assert made.read_bytes == len(written) * BLOCK
    changed = set(dice.sample(range(BLOCKS // 2 - 6), BLOCKS // 100)) | {BLOCKS - 1}
    write(path, changed, dice)
    gone = written[-1]
    group.run('blkdiscard', '-o', str(gone * BLOCK), '-l', str(BLOCK), path)
    new = snapshot_of(driver, volume)
    # What comes later is not in the snapshot.
    write(path, [0], dice)
    ranges = list(driver.changed_ranges(new, base))
    assert blocks_of(ranges) == changed | {gone}
    incremental, made = backed_up(driver, bench, new, full, changed=ranges)
    print(f'incremental: {made.read_bytes} of {SIZE} bytes were read')
    assert BLOCK * len(changed) <= made.read_bytes <= 3 * SIZE // 100
    data = read(driver, new)
    assert restored(driver, bench, [full, incremental]) == data != read(driver, base)
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


def test_what_an_open_thick_snapshot_delays(without_udev, monkeypatch):
    """The operations try again what is busy until the backup has ended."""
    group.make()
    group.scale_down(monkeypatch)
    driver = group.driver(lvm_type='default')
    volume = volumes.volume()
    driver.create_volume(volume)
    snapshot = snapshot_of(driver, volume)
    descriptor = device_files.open_file(driver.open_snapshot(snapshot))
    with pytest.raises(exception.SnapshotIsBusy, match='held by .*process'):
        driver.delete_snapshot(snapshot)
    with pytest.raises(exception.VolumeIsBusy):
        driver.extend_volume(volume, 2)
    os.close(descriptor)
    driver.extend_volume(volume, 2)
    # The service was killed, so nobody has closed it.
    driver.close_snapshot(snapshot)
    driver.delete_snapshot(snapshot)
    driver.delete_volume(volume)
