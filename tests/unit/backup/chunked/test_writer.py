# SPDX-License-Identifier: Apache-2.0
"""What a write reads and stores, and how it goes on after an interruption."""
import random

import pytest

from cinder import exception, fault_points, ownership
from cinder.backup.chunked import checkpoints, digests, metadata, names
from tests.fakes.backup_store import MemoryBackupDriver

RANDOM = random.Random(4).randbytes(2**16)


@pytest.fixture
def made(bench, small):
    """A Bench with blocks of 512 bytes and objects of 8 KiB."""
    return bench(MemoryBackupDriver())


def layout(bench, backup):
    return [(entry.offset, entry.length) for entry in metadata.read(bench.store, backup).entries]


def test_an_object_ends_at_its_size_and_at_many_zeros(made):
    data = RANDOM[:10000] + bytes(240) + bytes(2**15 + 512) + b'x' + bytes(511) + RANDOM[:512]
    backup = made.full(data)
    assert layout(made, backup) == [
        (0, 8192), (8192, 2048), (10240, 2**14), (10240 + 2**14, 2**14),
        # A few zeros are part of the object behind them.
        (10240 + 2**15, 512), (10240 + 2**15 + 512, 1024)]


@pytest.mark.parametrize('can_patch', [True, False])
@pytest.mark.parametrize('algorithm', ['zstd', 'zlib', 'none', 'bz2'])
def test_only_mapped_ranges_are_read(bench, small, algorithm, can_patch):
    made = bench(MemoryBackupDriver(can_patch=can_patch), algorithm)
    data = bytes(2**16) + RANDOM[:5000] + bytes(2**17)
    backup = made.backup()
    written = made.write(backup, data, mapped=[(2**16 + 5, 4990)])
    assert written.read_bytes == 5120 and written.plain_bytes == len(data)
    assert written.stored_bytes < 6500
    assert made.restore([backup], b'\xff' * len(data)) == data


def test_an_empty_volume_costs_next_to_nothing(made):
    backup = made.backup()
    written = made.write(backup, bytes(2**20), mapped=[])
    assert written.read_bytes == 0 and written.stored_bytes < 64 * 30
    assert made.restore([backup], RANDOM * 16) == bytes(2**20)


def test_an_incremental_backup_reads_what_changed_and_stores_what_differs(made):
    old = bytearray(RANDOM)
    parent = made.full(bytes(old))
    new = bytearray(old)
    new[5000:5001] = b'x'
    new[30000:32000] = bytes(2000)
    child = made.backup(parent)
    written = made.write(child, bytes(new), parent=parent, changed=[(4096, 4096), (29696, 2560)])
    assert written.read_bytes == 4096 + 2560
    assert layout(made, child) == [(4608, 512), (29696, 512), (30208, 1536), (31744, 512)]
    assert made.restore([parent, child], RANDOM[::-1]) == new


def test_the_block_of_the_parent_is_that_of_its_children(made, bench):
    parent = made.full(RANDOM)
    made.store.block_size, made.store.object_size = 2048, 2048
    child = made.backup(parent)
    made.write(child, RANDOM[:-1] + b'x', parent=parent)
    assert layout(made, child) == [(2**16 - 512, 512)]
    assert made.restore([parent, child], bytes(2**16), zeroed=True) == RANDOM[:-1] + b'x'


def test_compression_is_left_where_it_does_not_help(made):
    backup = made.backup()
    made.write(backup, RANDOM[:512] + bytes(1024) + b'a' * 512)
    assert [entry.compression for entry in metadata.read(made.store, backup).entries] == [
        'none', 'zstd', 'zstd']


class Interrupted(Exception):
    pass


def stop_after(monkeypatch, step, count):
    """Raise at the count-th passage of a fault point."""
    left = [count]

    def reach(name):
        left[0] -= name == step
        if name == step and not left[0]:
            raise Interrupted

    monkeypatch.setattr(fault_points, 'reach', reach)


def test_an_interrupted_write_goes_on_at_the_last_object(made, monkeypatch):
    backup = made.backup()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, 'backup.create:progress:after', 3)
        made.write(backup, RANDOM, volume_meta={})
    assert made.write(backup, RANDOM).read_bytes == 2**16 - 3 * 8192
    assert made.restore([backup], bytes(2**16)) == RANDOM
    assert made.store.names('backups', names.progress(backup.service_metadata)) == []


@pytest.mark.parametrize('data', [RANDOM, bytes(2**16)], ids=['data', 'zeros'])
def test_a_comparison_that_finds_no_change_goes_on_where_it_was(made, monkeypatch, data):
    """Its digests are not all kept in memory until an object is stored."""
    monkeypatch.setattr(checkpoints, '_DIGESTS', 1024)
    monkeypatch.setattr(digests, 'GROUP', 8)
    parent = made.full(data)
    child = made.backup(parent)
    seen = []
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, 'backup.create:progress:after', 2)
        made.write(child, data, parent=parent)
    new = data[:-1] + b'x'
    made.write(child, new, parent=parent, progress=lambda *args: seen.append(args[0]))
    assert seen[0] > 2 * 16384
    assert layout(made, child) == [(2**16 - 512, 512)]
    assert made.restore([parent, child], bytes(2**16)) == new


@pytest.mark.parametrize('step', ['digests:before', 'digests:after', 'metadata:before',
                                  'metadata:after'])
def test_nothing_is_read_again_once_all_objects_are_there(made, monkeypatch, step):
    backup = made.backup()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, f'backup.create:{step}', 1)
        made.write(backup, RANDOM)
    assert made.write(backup, RANDOM).read_bytes == 0
    assert made.restore([backup], bytes(2**16)) == RANDOM
    assert len(made.store.names('backups', backup.service_metadata)) == 8 + 2


@pytest.mark.parametrize('damage', [
    lambda text: text[:-1], lambda text: b'[]', lambda text: text.replace(b'-00001', b'-1'),
    lambda text: text.replace(b'512', b'513', 1), lambda text: b'{' * 100000,
    lambda text: text.replace(b'"zstd"', b'"x"').replace(b'"none"', b'"x"')])
def test_a_record_that_cannot_be_used_is_not_believed(made, monkeypatch, damage):
    backup = made.backup()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, 'backup.create:progress:after', 3)
        made.write(backup, RANDOM)
    there, name = made.store.containers['backups'], names.progress(backup.service_metadata, 1)
    there[name] = damage(there[name])
    assert made.write(backup, RANDOM).read_bytes == 2**16
    assert made.restore([backup], bytes(2**16)) == RANDOM


def test_a_write_of_other_data_begins_anew(made, monkeypatch):
    backup = made.backup()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, 'backup.create:progress:after', 3)
        made.write(backup, RANDOM, identity='one')
    assert made.write(backup, RANDOM[::-1], identity='other').read_bytes == 2**16
    assert made.restore([backup], bytes(2**16)) == RANDOM[::-1]


def test_a_volume_that_ends_early_is_named(made):
    with pytest.raises(exception.BackupVolumeError, match='offset 1024: it ends there'):
        made.write(made.backup(), RANDOM[:1024], size=4096, mapped=[(0, 4096)])


def test_a_store_that_is_full_ends_the_write(made):
    made.store.space = 20000
    with pytest.raises(exception.BackupStoreFull, match='backups/volume_.*, offset'):
        made.full(RANDOM)


def test_the_threads_of_a_write_notice_that_the_operation_is_lost(made, monkeypatch):
    """A driver confirms it before each retry, which may come minutes later."""
    writer = made.store.writer

    def retried(container, name):
        ownership.confirm()
        return writer(container, name)

    class Lost:
        def confirm(self):
            raise exception.OperationLost(operation_id='o')

    monkeypatch.setattr(made.store, 'writer', retried)
    with pytest.raises(exception.OperationLost), ownership.depending_on(Lost()):
        made.full(RANDOM[:100])
    assert made.store.containers == {'backups': {}}


def test_progress_is_told_and_may_interrupt(made):
    seen = []
    made.full(RANDOM, progress=lambda *args: seen.append(args))
    assert seen[-1] == (2**16, 2**16, 8) and [args[0] for args in seen] == sorted(
        args[0] for args in seen)

    def stop(*_args):
        raise Interrupted

    with pytest.raises(Interrupted):
        made.full(RANDOM, progress=stop)


def test_digests_that_the_store_cannot_hold_are_refused_before_anything_is_read(made):
    data = bytes(range(256)) * 4096
    fits = made.full(data)
    name = f'{fits.service_metadata}_sha256file'
    with made.store.reader(fits.container, name) as stream:
        made.store.largest_object = len(stream.read(2 ** 20))
    made.full(data)
    made.store.largest_object //= 2
    refused = made.backup()
    with pytest.raises(exception.BackupStoreError, match='_sha256file.*larger block size'):
        made.write(refused, data)
    assert made.store.names(refused.container, refused.service_metadata) == []
