# SPDX-License-Identifier: Apache-2.0
"""What a restore reads, verifies and writes; and verify(), which does the same without writing."""
import hashlib
import json
import os
import random
import re
import threading
import time

import pytest

from cinder import exception, fault_points
from cinder.backup.chunked import compression, deletion, metadata, names, reader, verify, zeros
from cinder.backup.facts import Target
from cinder.backup.volume_data import Descriptor
from tests.fakes.backup_store import MemoryBackupDriver
from tests.unit.backup.chunked.conftest import memory

RANDOM = random.Random(5).randbytes(2**16)
OLD = random.Random(6).randbytes(2**16)


@pytest.fixture
def made(bench, small):
    """A Bench with blocks of 512 bytes and objects of 8 KiB."""
    return bench(MemoryBackupDriver())


def rewrite(bench, backup, lists, data):
    """Replace the objects of a backup, as another program would divide the volume.

    :param lists: (offset, end) of each object
    """
    there, prefix = bench.store.containers['backups'], backup.service_metadata
    listed = json.loads(there[f'{prefix}_metadata'])
    for name in bench.store.names('backups', f'{prefix}-'):
        del there[name]
    listed['objects'] = []
    for number, (start, end) in enumerate(lists, 1):
        there[f'{prefix}-{number:05d}'] = data[start:end]
        listed['objects'].append({f'{prefix}-{number:05d}': {
            'offset': start, 'length': end - start, 'compression': 'none',
            'md5': hashlib.md5(data[start:end]).hexdigest()}})
    there[f'{prefix}_metadata'] = json.dumps(listed).encode()


def test_each_object_is_read_once_and_hidden_ones_are_not(made):
    parent = made.full(RANDOM)
    new = OLD[:20000] + RANDOM[20000:]
    child = made.backup(parent)
    made.write(child, new, parent=parent)
    made.store.read.clear()
    assert made.restore([parent, child], OLD[::-1]) == new
    data = [name for name in made.store.read if names.is_data(name.rpartition('-')[0], name)]
    assert len(data) == len(set(data)) == 3 + 6  # the parent's first two are hidden


def test_zeros_are_neither_read_nor_written_to_a_new_volume(made):
    backup = made.full(bytes(2**16) + RANDOM)
    made.store.read.clear()
    with memory(size=2**17) as descriptor:
        reader.restore(made.store, [backup], Target(Descriptor(descriptor), 2**17, zeroed=True),
                       spool=made.spool)
        assert os.fstat(descriptor).st_blocks * 512 <= 2**16
    assert len(made.store.read) == 8 + 2


def test_ranges_without_objects_are_zeros(made):
    data = bytes(4096) + RANDOM[:8192] + bytes(2**15)
    backup = made.full(data)
    rewrite(made, backup, [(4000, 10000), (10000, 12288)], data)  # not on the border of a block
    assert made.restore([backup], OLD) == data + OLD[len(data):]


def test_blocks_that_several_objects_hold_are_verified(made):
    data = RANDOM[:8192]
    backup = made.full(data)
    rewrite(made, backup, [(0, 1000), (1000, 1100), (1100, 8192)], data)
    assert made.restore([backup], OLD) == data + OLD[8192:]
    wrong = data[:1050] + b'?' + data[1051:]
    rewrite(made, backup, [(0, 1000), (1000, 1100), (1100, 8192)], wrong)
    with pytest.raises(exception.BackupDataError, match='offset 1024 of the volume .* 512 bytes'):
        made.restore([backup], OLD)


def test_an_object_is_verified_as_a_whole(made):
    """What later backups replace cannot be verified by block."""
    parent = made.full(RANDOM)
    child = made.backup(parent)
    made.write(child, OLD[:512] + RANDOM[512:], parent=parent)
    made.store.containers['backups'][names.data(parent.service_metadata, 1)] = (
        b'?' + RANDOM[1:8192])
    there = made.store.containers['backups']
    key = f'{parent.service_metadata}_metadata'
    there[key] = there[key].replace(b'"compression": "zstd"', b'"compression": "none"')
    for number in range(2, 9):
        there[names.data(parent.service_metadata, number)] = RANDOM[8192 * (number - 1):][:8192]
    with pytest.raises(exception.BackupDataError, match='-00001, offset 0 of the volume .* MD5 is'):
        made.restore([parent, child], OLD)


def test_missing_ranges_and_digests_are_refused(made):
    backup = made.full(RANDOM)
    rewrite(made, backup, [(0, 8192), (10000, 2**16)], RANDOM)
    with pytest.raises(exception.BackupDataError, match='no object holds .* offset 8192 to 10000'):
        made.restore([backup], OLD)
    backup = made.full(RANDOM)
    key, there = f'{backup.service_metadata}_sha256file', made.store.containers['backups']
    sums = json.loads(there[key])
    there[key] = json.dumps({**sums, 'sha256s': sums['sha256s'][:-1]}).encode()
    with pytest.raises(exception.BackupDataError, match='digests ends at offset 65024'):
        made.restore([backup], OLD)


@pytest.mark.parametrize('chain', [(1,), (0, 2), (1, 0), (0, 0), (0, 1, 3)])
def test_what_is_no_chain_is_refused(made, chain):
    backups = [made.backup()]
    for _number in range(3):
        backups.append(made.backup(backups[-1]))
    with pytest.raises(exception.InvalidBackup, match='the parent of 0a1b2c3d'):
        made.restore([backups[number] for number in chain], OLD)


def test_a_volume_that_is_too_small_is_refused(made):
    with pytest.raises(exception.BackupVolumeError, match='expected at least 65536 bytes'):
        made.restore([made.full(RANDOM)], OLD[:1000])


def test_an_interrupted_restore_goes_on_and_verifies_what_is_there(made, monkeypatch):
    backup = made.full(RANDOM)
    monkeypatch.setattr(reader, '_BYTES', 1)
    done = []

    def stop(number):
        done.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with memory(OLD) as descriptor:
        def restore(**kwargs):
            reader.restore(made.store, [backup], Target(Descriptor(descriptor), 2**16),
                           spool=made.spool, **kwargs)

        with pytest.raises(KeyboardInterrupt):
            restore(checkpoint=stop)
        os.pwrite(descriptor, b'?', 100)
        made.store.read.clear()
        restore(done=3, checkpoint=done.append)
        assert os.pread(descriptor, 2**16, 0) == RANDOM
    assert sorted(name[-5:] for name in made.store.read if name[-6] == '-') == [
        '00001', '00004', '00005', '00006', '00007', '00008']
    assert done == [1, 2, 3, 3, 4, 5, 6, 7, 8]


def test_a_long_object_is_interrupted(made, monkeypatch):
    """A service that has lost the operation writes no more than a second longer."""
    monkeypatch.setattr(reader, '_REPORT_SECONDS', 0.001)
    backup, reading, told = made.full(RANDOM), threading.Event(), []

    def report(*args):
        told.append(args)
        if reading.is_set():
            raise KeyboardInterrupt

    def read(_reader, _size):
        reading.set()
        time.sleep(0.002)
        return b'x'

    monkeypatch.setattr(compression.PlainReader, 'read', read)
    with pytest.raises(KeyboardInterrupt):
        made.restore([backup], OLD, progress=report)
    assert told[-1] == (0, 2**16, 0)


def test_a_device_without_holes_gets_zeros(made, monkeypatch):
    from cinder.backup import volume_data
    monkeypatch.setattr(volume_data, '_MODES', (0x7000,))  # not supported
    data = bytes(2**15) + RANDOM[:100] + bytes(2**14 - 100)
    assert made.restore([made.full(data)], OLD) == data + OLD[len(data):]


# ------------------------------------------------------------------------------------------- verify
def check(bench, chain, **kwargs):
    return verify.verify(bench.store, chain, spool=bench.spool, **kwargs)


def test_a_good_chain_has_no_problems(made):
    parent = made.full(RANDOM + bytes(2**20))
    child = made.backup(parent)
    made.write(child, OLD[:512] + RANDOM[512:] + bytes(2**20), parent=parent)
    report = check(made, [parent, child])
    assert report.problems == () and report.objects == report.total == 8 + 64 + 1
    assert report.plain_bytes == 2**16 + 2**20 + 512
    assert check(made, [parent, child], sample=10).objects == 8
    assert check(made, [parent, child], sample=0).objects == 1


def number_of(problem):
    return re.search(r'-(\d{5})', problem)[1]


def test_all_problems_are_told_with_their_objects(made):
    backup = made.full(RANDOM)
    there, prefix = made.store.containers['backups'], backup.service_metadata
    del there[f'{prefix}-00002']
    there[f'{prefix}-00003'] = there[f'{prefix}-00003'][:-10]
    there[f'{prefix}-00005'] = there[f'{prefix}-00004']
    problems = check(made, [backup]).problems
    assert len(problems) == 3
    for number, problem in zip((2, 3, 5), sorted(problems, key=number_of), strict=True):
        assert f'backups/{prefix}-0000{number}' in problem


@pytest.mark.parametrize('name', ['_metadata', '_sha256file', '-00003'])
def test_an_outage_of_the_store_is_no_problem_of_the_backup(made, monkeypatch, name):
    backup, read, down = made.full(RANDOM), made.store.reader, []

    def fail(container, object_name):
        if object_name.endswith(name):
            down.append(1)
            raise exception.BackupStoreUnavailable(where=f'{container}/{object_name}', reason='EIO')
        return read(container, object_name)

    def answer():
        if down:
            raise exception.BackupStoreUnavailable(where='backups', reason='outage')

    monkeypatch.setattr(made.store, 'reader', fail)
    assert name in check(made, [backup]).problems[0]  # the store answers
    down.clear()
    monkeypatch.setattr(made.store, 'check', answer)
    with pytest.raises(exception.BackupStoreUnavailable, match='outage'):
        check(made, [backup])


def test_wrong_lists_are_told(made):
    backup = made.full(RANDOM)
    there, prefix = made.store.containers['backups'], backup.service_metadata
    there[f'{prefix}_sha256file'] = b'?'
    assert '_sha256file' in check(made, [backup]).problems[0]
    there[f'{prefix}_metadata'] = b'?'
    assert '_metadata' in check(made, [backup]).problems[0]


def test_an_object_of_zeros_is_compared_as_it_is_stored(made, monkeypatch):
    backup = made.full(bytes(2**20))
    monkeypatch.setattr(zeros, 'MOST', 0)
    assert check(made, [backup]).problems == ()
    there, name = made.store.containers['backups'], names.data(backup.service_metadata, 1)
    there[name] = there[name][:-1] + b'\1'
    assert name in check(made, [backup]).problems[0]


# ----------------------------------------------------------------------------------------- deletion
def test_only_the_objects_of_the_backup_are_deleted(made):
    one, other = made.full(RANDOM), made.full(OLD)
    stranger = made.backup()
    stranger.service_metadata = one.service_metadata[:20]
    deletion.delete(made.store, stranger)
    deletion.delete(made.store, one)
    assert made.store.names('backups', '') == made.store.names('backups', other.service_metadata)
    deletion.delete(made.store, one)


def test_a_record_with_the_prefix_of_another_backup_deletes_nothing(made):
    victim, thief = made.backup(), made.backup()
    # Where it names a backup, the service keeps what another record needs.
    victim.service_metadata = thief.service_metadata = 'names_none'
    made.write(victim, RANDOM)
    before = dict(made.store.containers['backups'])
    with pytest.raises(exception.InvalidBackup, match='are not known to be those of backup'):
        deletion.delete(made.store, thief)
    with pytest.raises(exception.BackupDataError, match='backup_id is'):
        made.restore([thief], OLD)
    assert made.store.containers['backups'] == before


def test_a_deletion_may_be_interrupted(made, monkeypatch):
    backup = made.full(RANDOM)
    left = [5]

    def reach(_name):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fault_points, 'reach', reach)
        deletion.delete(made.store, backup)
    assert metadata.read(made.store, backup)
    deletion.delete(made.store, backup)
    assert made.store.names('backups', '') == []
