# SPDX-License-Identifier: Apache-2.0
"""FileVolumeDriver on a real folder: the contract, and how it deals with interrupted attempts."""
import errno
import os
import struct

import pytest

from cinder import exception
from cinder.brick.local_dev import extents, sparse_files
from cinder.volume.drivers import exported, file
from tests.fakes import storage as fakes
from tests.fakes import volumes
from tests.unit.volume import driver_contract as contract
from tests.unit.volume.trash_contract import KeepsTrashContract

GIB = 1024 ** 3


class FileStorage(contract.Storage):
    def __init__(self, folder, **options):
        self.folder = folder
        self.driver = file.FileVolumeDriver(
            volumes.options(file_volume_dir=str(folder), **options))
        self.driver.do_setup(None)
        self.driver.check_for_setup_error()

    def write(self, resource, data):
        with open(self.folder / resource.name, 'r+b') as target:
            target.write(data)

    def read(self, resource, length):
        with open(self.folder / resource.name, 'rb') as source:
            return source.read(length)

    def size(self, resource):
        path = self.folder / resource.name
        return path.stat().st_size / GIB if path.exists() else None

    def names(self):
        return sorted(os.listdir(self.folder))

    def elsewhere(self, size):
        path = self.folder.parent / 'other'
        path.write_bytes(b'')
        os.truncate(path, size * GIB)
        return str(path)

    def try_to_write(self, path):
        # As for root every file can be written, the mode is looked at.
        if not os.stat(path).st_mode & 0o222:
            raise PermissionError(path)

    def read_at(self, path, length):
        with open(path, 'rb') as source:
            return source.read(length)

    def foreign(self, name, size, data=b''):
        (self.folder / name).write_bytes(data)
        os.truncate(self.folder / name, int(size * GIB))


@pytest.fixture
def storage(tmp_path):
    return FileStorage(tmp_path / 'volumes')


class TestFileVolumeDriver(contract.VolumeDriverContract, contract.ClonesVolumesContract,
                           contract.RevertsToSnapshotContract, contract.ManagesVolumesContract,
                           contract.ManagesSnapshotsContract, contract.MigratesContract,
                           contract.ReadsSnapshotsContract, KeepsTrashContract):
    def test_nobody_else_can_read_the_volumes(self, storage):
        volume = storage.volume()
        assert os.stat(storage.folder).st_mode & 0o077 == 0
        assert os.stat(storage.folder / volume.name).st_mode & 0o077 == 0

    def test_volumes_and_copies_stay_sparse(self, storage):
        volume = storage.volume(10, contract.ONE)
        snapshot = storage.snapshot(volume)
        for resource in (volume, snapshot):
            assert os.stat(storage.folder / resource.name).st_blocks * 512 < 100_000

    def test_what_an_interrupted_attempt_left_is_removed(self, storage):
        volume = volumes.volume()
        part = storage.folder / f'{volume.name}.0123abcd.part'
        part.write_bytes(b'half')
        storage.driver.create_volume(volume)
        assert storage.names() == [volume.name]
        part.write_bytes(b'half')
        storage.driver.delete_volume(volume)
        assert storage.names() == []

    def test_a_part_is_not_counted_as_a_volume(self, storage):
        storage.volume(2)
        (storage.folder / 'volume-x.0123abcd.part').write_bytes(b'half')
        pool, = storage.driver.get_volume_stats(refresh=True)['pools']
        assert pool['provisioned_capacity_gb'] == 2
        assert pool['total_volumes'] == 1

    def test_links_and_parts_are_not_taken_over(self, storage, tmp_path):
        (tmp_path / 'secret').write_bytes(b'not theirs')
        (storage.folder / 'link').symlink_to(tmp_path / 'secret')
        (storage.folder / 'volume-x.0123abcd.part').write_bytes(b'half')
        assert storage.driver.get_manageable_volumes([], []) == []
        with pytest.raises(exception.ManageExistingInvalidReference):
            storage.driver.manage_existing(volumes.volume(), {'source-name': 'link'})

    def test_an_interrupted_take_over_is_finished_by_the_next(self, storage):
        storage.foreign('theirs', 1, contract.ONE)
        volume = volumes.volume()
        os.link(storage.folder / 'theirs', storage.folder / volume.name)
        storage.driver.manage_existing(volume, {'source-name': 'theirs'})
        assert storage.names() == [volume.name]

    def test_other_file_systems_have_to_be_copied_to(self, storage, monkeypatch):
        def far(source, target):
            raise OSError(errno.EXDEV, 'Invalid cross-device link')

        monkeypatch.setattr(os, 'link', far)
        path = storage.elsewhere(1)
        volume = volumes.volume()
        (storage.folder / volume.name).write_bytes(contract.ONE)
        assert not storage.driver.migrate_volume(volume, path)
        assert os.stat(path).st_size == GIB

    def test_a_full_file_system_is_an_error_of_the_back_end(self, storage, monkeypatch):
        def full(fd):
            raise OSError(errno.ENOSPC, 'No space left on device')

        monkeypatch.setattr(os, 'fsync', full)
        volume = volumes.volume()
        with pytest.raises(exception.VolumeBackendAPIException, match='create_volume: .*No space'):
            storage.driver.create_volume(volume)
        assert storage.names() == []

    def test_insisting_on_reflinks_where_there_are_none_is_refused(self, tmp_path):
        if sparse_files.can_reflink(str(tmp_path)):
            FileStorage(tmp_path, file_reflink='always')
        else:
            with pytest.raises(exception.VolumeBackendAPIException, match='always'):
                FileStorage(tmp_path, file_reflink='always')

    def test_the_local_target_hands_out_the_path(self, tmp_path):
        storage = FileStorage(tmp_path, target_helper='local')
        volume = storage.volume()
        info = storage.driver.initialize_connection(volume, {})
        assert info == {'driver_volume_type': 'local', 'data': {
            'device_path': str(tmp_path / volume.name), 'volume_id': volume.id,
            'access_mode': 'rw', 'discard': False}}

    def test_an_unknown_target_helper_is_refused_by_name(self, tmp_path):
        with pytest.raises(exception.InvalidConfigurationValue, match='"scst".*target_helper'):
            FileStorage(tmp_path, target_helper='scst')


@pytest.mark.parametrize(('option', 'provisioned', 'used', 'ratio'), [
    ('1.5', 10, 5, 1.5), ('auto', 0, 0, 20.0), ('auto', 0, 5, 20.0), ('auto', 40, 10, 4.0),
    ('auto', 5, 10, 1.0)])
def test_over_subscription(option, provisioned, used, ratio):
    assert exported.over_subscription(option, provisioned, used) == ratio


@pytest.mark.parametrize('copy', [
    lambda driver, volume, snapshot: driver.create_cloned_volume(volumes.volume(), volume),
    lambda driver, volume, snapshot: driver.create_snapshot(volumes.snapshot(volume)),
    lambda driver, volume, snapshot: driver.create_volume_from_snapshot(volumes.volume(),
                                                                        snapshot),
    lambda driver, volume, snapshot: driver.revert_to_snapshot(volume, snapshot)])
def test_every_copy_keeps_to_the_limit(tmp_path, monkeypatch, copy):
    storage = FileStorage(tmp_path / 'volumes', file_reflink='never')
    volume = volumes.volume()
    storage.driver.create_volume(volume)
    storage.write(volume, b'x' * 2 ** 20)
    snapshot = volumes.snapshot(volume)
    storage.driver.create_snapshot(snapshot)
    storage.driver.throttle.limit = 20 * 2 ** 20
    clock = fakes.Clock().pace_copies(monkeypatch)
    began = clock.now
    copy(storage.driver, volume, snapshot)
    assert clock.now - began == pytest.approx(1 / 20)


def test_a_clone_is_bytes_whatever_they_look_like(tmp_path):
    """CVE-2014-3641, CVE-2015-1851: a header that names a backing file of the host."""
    storage = FileStorage(tmp_path / 'volumes', file_reflink='never')
    (tmp_path / 'secret').write_bytes(b'of the host')
    name = str(tmp_path / 'secret').encode()
    header = b'QFI\xfb' + struct.pack('>IQI', 3, 104, len(name)) + bytes(84) + name
    source, clone = volumes.volume(1), volumes.volume(1)
    storage.driver.create_volume(source)
    storage.write(source, header)
    storage.driver.create_cloned_volume(clone, source)
    assert storage.read(clone, 512) == header + bytes(512 - len(header))
    assert storage.size(clone) == 1


def test_the_ranges_of_files(tmp_path):
    """Copies have no ranges in common, so only the mapped ones are known."""
    storage = FileStorage(tmp_path / 'volumes', file_reflink='never')
    volume = storage.volume(1)
    storage.write(volume, b'data')
    base, new = volumes.snapshot(volume), volumes.snapshot(volume)
    for snapshot in (base, new):
        storage.driver.create_snapshot(snapshot)
    (offset, length), = storage.driver.mapped_ranges(new)
    assert offset == 0 and 4 <= length < 2 ** 20
    assert storage.driver.changed_ranges(new, base) is None
    assert storage.driver.compares_snapshots is False


def test_files_that_share_blocks_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(sparse_files, 'can_reflink', lambda _folder: True)
    monkeypatch.setattr(extents, 'changed_ranges', lambda *paths: [
        (len(paths), 5), *(os.path.basename(path) for path in paths)])
    storage = FileStorage(tmp_path / 'volumes')
    base, new = (volumes.snapshot(volumes.volume()) for _number in range(2))
    assert storage.driver.changed_ranges(new, base) == [(2, 5), new.name, base.name]
    assert storage.driver.compares_snapshots is True


@pytest.mark.parametrize(('size', 'free', 'used'), [
    (2 ** 30, '1.0', '1.0'), (10 * 2 ** 30 - 1, '9.99', '10.0'),
    (10 * 2 ** 30 + 1, '10.0', '10.01'), (0, '0.0', '0.0')])
def test_reported_space_is_there(size, free, used):
    """A volume of 10 GiB does not fit in one byte less, however close that is."""
    assert (str(exported.hundredths(size)), str(exported.hundredths(size, up=True))) == (
        free, used)
