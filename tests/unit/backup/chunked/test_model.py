# SPDX-License-Identifier: Apache-2.0
"""Random volumes, backups, deletions and restores against a model, which is bytes; with kills and
faults of the store. A restore is equal to the model or refused; nothing is left without a row.

BACKUP_MODEL_RUNS sets the number of runs, BACKUP_MODEL_SEED the first one.
"""
import contextlib
import os
import random

import pytest

from cinder import exception, fault_points
from cinder.backup.chunked import checkpoints, deletion, plan, reader, verify
from tests.fakes.backup_store import MemoryBackupDriver

RUNS = int(os.environ.get('BACKUP_MODEL_RUNS', 2))
FIRST = int(os.environ.get('BACKUP_MODEL_SEED', 0))
REFUSED = (exception.BackupDataError, exception.BackupStoreError, exception.InvalidBackup)


class Killed(BaseException):
    """What a test raises where a process would be killed."""


class Model:
    """A volume, its backups, and the data that each of them must have."""

    def __init__(self, seed, bench, monkeypatch):
        self.random = random.Random(seed)
        self.monkeypatch = monkeypatch
        self.block = self.random.choice([512, 1024, 8192])
        store = MemoryBackupDriver(self.block * self.random.choice([1, 2, 8, 30]), self.block,
                                   self.random.choice([True, False]))
        store.most = self.random.choice([100, 2**20])
        self.bench = bench(store, self.random.choice(['zstd', 'zlib', 'none', 'bz2', 'zstd']))
        monkeypatch.setattr(checkpoints, '_DIGESTS', self.random.choice([32, 2**22]))
        self.data = bytes(self.block * self.random.randint(1, 100))
        # Chains of (row, data, the bytes that changed since the one before).
        self.chains = []
        self.written = set()

    def run(self, steps):
        """Do some random steps."""
        for _step in range(steps):
            self.change()
            self.random.choice([self.full, self.incremental, self.incremental, self.delete,
                                self.restore, self.damage])()
        while self.chains:
            self.delete()
        assert self.bench.store.names('backups', '') == []

    def change(self):
        """Write to the volume, and sometimes extend it."""
        if self.random.random() < 0.1:
            self.extend(self.block * self.random.randint(1, 20))
        data = bytearray(self.data)
        for _write in range(self.random.randint(0, 4)):
            start = self.random.randrange(len(data))
            end = min(start + self.random.randint(1, 5 * self.block), len(data))
            data[start:end] = self.random.choice([
                bytes(end - start), self.random.randbytes(end - start), b'repeated' * 8192,
                data[:end - start]])[:end - start].ljust(end - start, b'x')
            self.written.add((start, end))
        self.data = bytes(data)

    def extend(self, more):
        """Extend the volume."""
        self.data += bytes(more)

    def full(self):
        """Create a full backup."""
        backup = self.bench.backup()
        self.create(backup, mapped=self.random.choice([None, self.mapped()]))
        self.chains.append([(backup, self.data)])
        self.written = set()

    def incremental(self):
        """Create an incremental backup of the newest one, by ranges or by hash."""
        if not self.chains:
            return self.full()
        parent, old = self.chains[-1][-1]
        backup = self.bench.backup(parent)
        self.create(backup, parent=parent, mapped=self.random.choice([None, self.mapped()]),
                    changed=self.random.choice([None, self.changed(old)]))
        self.chains[-1].append((backup, self.data))
        self.written = set()

    def mapped(self):
        """Ranges that hold all that is not zeros."""
        step = self.random.choice([100, 512, 4096])
        return [(start, min(step, len(self.data) - start))
                for start in range(0, len(self.data), step)
                if any(self.data[start:start + step]) or self.random.random() < 0.1]

    def changed(self, old):
        """Ranges that hold all that differs from the parent."""
        step = self.random.choice([100, 512, 4096])
        return [(start, step) for start in range(0, len(self.data), step)
                if self.data[start:start + step] != old[start:start + step]
                or self.random.random() < 0.1]

    def create(self, backup, **kwargs):
        """Write a backup; kills and a full store interrupt it."""
        while self.random.random() < 0.5:
            try:
                with self.interruptions():
                    self.bench.write(backup, self.data, **kwargs)
            except (Killed, exception.BackupStoreFull):
                with contextlib.suppress(*REFUSED):
                    assert self.bench.restore([backup], size=len(self.data)) == self.data
        written = self.bench.write(backup, self.data, **kwargs)
        there = self.bench.store.names('backups', backup.service_metadata)
        # The original refuses to restore if there is more.
        assert len(there) == written.object_count + 2
        again = self.bench.write(backup, self.data, **kwargs)
        assert (again.object_count, again.stored_bytes) == (written.object_count, 0)
        assert there == self.bench.store.names('backups', backup.service_metadata)

    def interruptions(self):
        """Let a later fault point kill, or the store be full."""
        patch = pytest.MonkeyPatch.context()
        left = [self.random.randint(0, 12)]

        def reach(_name):
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        class Interruptions:
            def __enter__(inner):
                inner.patch = patch.__enter__()
                if self.random.random() < 0.7:
                    inner.patch.setattr(fault_points, 'reach', reach)
                else:
                    inner.patch.setattr(self.bench.store, 'space', self.random.randint(0, 20000))

            def __exit__(inner, *exc_info):
                return patch.__exit__(*exc_info)

        return Interruptions()

    def delete(self):
        """Delete the newest backup of a chain."""
        if not self.chains:
            return
        chain = self.random.choice(self.chains)
        backup, _data = chain.pop()
        while self.random.random() < 0.3:
            try:
                with self.interruptions():
                    deletion.delete(self.bench.store, backup)
            except Killed:
                pass
        deletion.delete(self.bench.store, backup)
        assert self.bench.store.names('backups', backup.service_metadata) == []
        self.chains = [chain for chain in self.chains if chain]

    def restore(self):
        """Restore a backup, also over old data, and after interruptions."""
        chain, data = self.choose()
        if not chain:
            return
        new = self.random.random() < 0.5
        more = self.random.choice([0, 5000])
        old = bytes(len(data) + more) if new else self.random.randbytes(len(data) + more)
        done = []
        while self.random.random() < 0.3:
            try:
                with self.interruptions():
                    self.restore_once(chain, old, new, done)
            except Killed:
                pass
        assert self.restore_once(chain, old, new, done) == data + old[len(data):]
        assert verify.verify(self.bench.store, chain, spool=self.bench.spool).problems == ()
        # The original leaves the old data where there is no object.
        found = plan.parts(reader.read_chain(self.bench.store, chain), len(data))
        assert list(plan.gaps(found, len(data))) == []

    def restore_once(self, chain, old, new, done):
        self.bench.store.read.clear()
        found = self.bench.restore(chain, old, zeroed=new, done=0, checkpoint=done.append)
        assert len(set(self.bench.store.read)) == len(self.bench.store.read)
        return found

    def choose(self):
        """A backup with the chain below it, and its data."""
        if not self.chains:
            return [], b''
        chain = self.random.choice(self.chains)
        count = self.random.randint(1, len(chain))
        return [backup for backup, _data in chain[:count]], chain[count - 1][1]

    def damage(self):
        """Restore from a store that has lost or changed something."""
        chain, data = self.choose()
        if not chain:
            return
        there = self.bench.store.containers['backups']
        whole = dict(there)
        names = [name for backup in chain for name in there
                 if name.startswith(backup.service_metadata)]
        name = self.random.choice(names)
        content = whole[name]
        place = self.random.randrange(len(content))
        kind = self.random.choice(['missing', 'short', 'wrong', 'long', 'exchanged'])
        there[name] = {
            'short': content[:place], 'long': content + b'x', 'missing': b'',
            'wrong': content[:place] + bytes([content[place] ^ 1 << self.random.randrange(8)])
            + content[place + 1:], 'exchanged': whole[self.random.choice(names)]}[kind]
        if kind == 'missing':
            del there[name]
        try:
            assert self.bench.restore(chain, self.random.randbytes(len(data))) == data
        except exception.BackupVolumeError as exc:
            # The name of the size is damaged: the size of the row is valid, 1 GiB.
            assert str(2**30) in str(exc)
        except REFUSED as exc:
            assert 'backups/' in str(exc) or 'offset' in str(exc), exc
            problems = verify.verify(self.bench.store, chain, spool=self.bench.spool).problems
            assert problems, (kind, exc)
        there.clear()
        there.update(whole)


@pytest.mark.timeout(max(300, RUNS))
@pytest.mark.parametrize('seed', range(FIRST, FIRST + RUNS))
def test_restores_equal_the_model_or_are_refused(seed, bench, small, monkeypatch):
    Model(seed, bench, monkeypatch).run(12)
