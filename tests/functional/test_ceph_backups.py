# SPDX-License-Identifier: Apache-2.0
"""Backups as images of RBD on a real cluster: the format in both directions with the original from
PyPI, what a pool has after each step, and work that is interrupted.

PEER names an environment with the original, or is `no`; without it, one is made in the cache.
"""
import contextlib
import datetime
import os
import random
import time
import uuid

import pytest
from oslo_config import cfg

import cinder.conf
from cinder import exception, objects
from cinder.backup import devices
from cinder.backup.ceph import names, pieces
from cinder.backup.ceph import pool as pools
from cinder.backup.chunked import reader, writer
from cinder.backup.drivers.ceph import CephBackupDriver
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.backup.facts import Source, Target
from cinder.backup.volume_data import Descriptor, Image
from cinder.brick.ceph import address, image_disk, images
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import backup_peer, ceph
from tests.unit.backup.chunked import conftest as chunked

MIB, GIB = 2**20, 2**30
DRIVER = 'cinder.backup.drivers.ceph.CephBackupDriver'
COLUMNS = ('id', 'volume_id', 'container', 'service_metadata', 'size', 'parent_id')


class Bench:
    """A driver of backups, and volumes on RBD and in files."""

    def __init__(self, cluster, folder, **options) -> None:
        self.cluster, self.folder, self.rng = cluster, folder, random.Random(7)
        conf = cfg.ConfigOpts()
        cinder.conf.register(conf)
        conf([], project='cinder', default_config_files=[], default_config_dirs=[])
        self.options = {'backup_ceph_conf': str(cluster.conf), 'backup_ceph_user': ceph.USER,
                        **options}
        for name, value in self.options.items():
            conf.set_override(name, value)
        self.store = CephBackupDriver(conf)
        self.volumes = rbd_storage.driver(**ceph.options(cluster))
        self.made = []

    # ---------------------------------------------------------------------------------- volumes
    def volume(self):
        """A new volume of 1 GiB."""
        made = volumes.volume(1)
        self.volumes.create_volume(made)
        return made

    def opened(self, volume, snapshot='', writable=False):
        found = address.parse(self.volumes.address(volume.name, snapshot))
        return image_disk.opened(found, writable)

    def change(self, volume, count=6):
        """Write somewhere, and discard elsewhere."""
        with self.opened(volume, writable=True) as disk:
            for _number in range(count):
                disk.write(self.rng.randrange(GIB - MIB), self.rng.randbytes(self.rng.randint(
                    1, MIB)))
            disk.zero(self.rng.randrange(GIB - 9 * MIB), 9 * MIB)
            disk.flush()

    def data(self, volume):
        with self.opened(volume) as disk:
            return read(Image(disk))

    # ---------------------------------------------------------------------------------- backups
    def row(self, volume_id, parent=None, container=None):
        row = objects.Backup(id=str(uuid.uuid4()), volume_id=volume_id, size=1, snapshot_id=None,
                             display_name=None, display_description=None, container=container,
                             service_metadata=None, parent_id=parent and parent.id,
                             object_count=0, created_at=datetime.datetime.now(datetime.UTC))
        for name, value in self.store.place_of(row, parent).items():
            setattr(row, name, value)
        return row

    def backup(self, volume, parent=None, row=None, progress=lambda *_counts: None):
        """Back a volume up as the service does; return the row and what was written."""
        row = row or self.row(volume.id, parent)
        snapshot = volumes.snapshot(volume)
        self.volumes.create_snapshot(snapshot)
        try:
            changed = None
            if parent:
                kept = [name for name in self.volumes.backup_snapshots(volume)
                        if names.owner(name) == parent.id]
                changed = self.volumes.ranges_since(snapshot, kept[0]) if kept else None
            mapped = None if parent and changed is not None else list(
                self.volumes.mapped_ranges(snapshot))
            with self.opened(volume, snapshot.name) as disk:
                written = self.store.write(
                    row, Source(Image(disk), GIB, mapped, changed, identity=snapshot.id),
                    parent=parent, volume_meta=facts(volume), progress=progress)
            self.volumes.keep_backup_snapshot(snapshot, self.store.source_snapshot(row))
        finally:
            self.volumes.delete_snapshot(snapshot)
        return row, written

    def restored(self, chain, old=b''):
        """What a file has after a restore."""
        path = self.folder / 'restored'
        path.write_bytes(old)
        os.truncate(path, GIB)
        descriptor = os.open(path, os.O_RDWR)
        try:
            self.store.restore(chain, Target(Descriptor(descriptor), GIB), done=0,
                               checkpoint=lambda _count: None, progress=lambda *_counts: None)
            return read(Descriptor(descriptor))
        finally:
            os.close(descriptor)

    def delete(self, *rows):
        for row in rows:
            self.store.delete_backup(row)
            self.store.delete_backup(row)  # of a repeated attempt

    def contents(self):
        """Names of the images and of the objects about volumes in the pool."""
        return sorted(self.store.cluster.run('backups', lambda pool: [
            *pool.rbd('list'), *(each.key for each in pool.ioctx.list_objects()
                                 if each.key.startswith('backup.'))]))


def read(data):
    """What is not zeros in pieces of 1 MiB, by offset."""
    found = {}
    for offset, length in pieces.cut(data.ranges(GIB) or [(0, GIB)], GIB, MIB):
        piece = data.read(offset, length)
        start = offset // MIB * MIB
        if piece.count(0) < length:
            whole = found.setdefault(start, bytearray(MIB))
            whole[offset - start:offset - start + length] = piece
    return found


def facts(volume):
    return {'volume-base-metadata': {'id': volume.id, 'project_id': 'p', 'bootable': False},
            'volume-metadata': {'k': 'v'}}


@pytest.fixture
def bench(ceph_cluster, tmp_path):
    made = Bench(ceph_cluster, tmp_path)
    before = made.contents()
    yield made
    assert made.contents() == before == []


def test_an_incremental_backup_writes_what_has_changed(bench):
    volume = bench.volume()
    bench.change(volume)
    full, written = bench.backup(volume)
    first = bench.data(volume)
    assert written.read_bytes < 7 * 4 * MIB
    chain, states = [full], [first]
    for _number in range(2):
        bench.change(volume, 2)
        child, written = bench.backup(volume, chain[-1])
        assert written.read_bytes < 2 * MIB + 9 * MIB + 4 * MIB
        chain.append(child)
        states.append(bench.data(volume))
    assert bench.contents() == sorted([names.own_image(full), *map(names.metadata, chain)])
    for count, state in enumerate(states, 1):
        assert bench.restored(chain[:count], b'old' * MIB) == state
    report = bench.store.verify(chain, sample=50)
    assert report.problems == () and 0 < report.objects < report.total
    assert bench.store.volume_meta(chain[-1])['volume-metadata'] == {'k': 'v'}
    assert bench.store.look(chain[-1]).volume_meta['volume-base-metadata']['id'] == volume.id
    # What was deleted is not in the way of a new one.
    bench.delete(chain.pop())
    bench.change(volume, 1)
    chain.append(bench.backup(volume, chain[-1])[0])
    assert bench.restored(chain) == bench.data(volume)
    bench.volumes.delete_volume(volume)
    bench.delete(*reversed(chain))


def test_a_restore_onto_rbd_leaves_nothing_of_the_old_data(bench):
    volume, target = bench.volume(), bench.volume()
    bench.change(volume)
    bench.change(target)
    full, _written = bench.backup(volume)
    with bench.opened(target, writable=True) as disk:
        bench.store.restore([full], Target(Image(disk), GIB), done=0,
                            checkpoint=lambda _count: None, progress=lambda *_counts: None)
    assert bench.data(target) == bench.data(volume)
    for each in (volume, target):
        bench.volumes.delete_volume(each)
    bench.delete(full)


@pytest.mark.parametrize('excess', [True, False])
def test_what_is_behind_the_end_of_the_backup(ceph_cluster, tmp_path, excess):
    bench = Bench(ceph_cluster, tmp_path, restore_discard_excess_bytes=excess)
    volume = bench.volume()
    full, _written = bench.backup(volume)
    path = tmp_path / 'larger'
    path.write_bytes(b'')
    os.truncate(path, GIB + MIB)
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b'xx', GIB - 1)
    bench.store.restore([full], Target(Descriptor(descriptor), GIB + MIB), done=0,
                        checkpoint=lambda _count: None, progress=lambda *_counts: None)
    assert os.pread(descriptor, 2, GIB - 1) == (b'\0\0' if excess else b'\0x')
    os.close(descriptor)
    bench.volumes.delete_volume(volume)
    bench.delete(full)


class Stopped(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize(('incremental', 'same'), [(False, True), (True, True), (False, False)])
def test_interrupted_work_goes_on_where_it_was(bench, monkeypatch, incremental, same):
    """Unless the data may be other data, which the identity tells."""
    from cinder.backup.ceph import writing
    monkeypatch.setattr(writing, '_BYTES', 1)
    volume = bench.volume()
    bench.change(volume)
    parent = bench.backup(volume)[0] if incremental else None
    bench.change(volume, 12)
    row, snapshot, counts = bench.row(volume.id, parent), volumes.snapshot(volume), []

    def stop(_done, _total, count):
        if count == 6:
            raise Stopped
    bench.volumes.create_snapshot(snapshot)
    with bench.opened(volume, snapshot.name) as disk:
        for identity, progress in (('one', stop), ('one' if same else 'other',
                                                   lambda *each: counts.append(each))):
            with contextlib.suppress(Stopped):
                bench.store.write(row, Source(Image(disk), GIB, identity=identity), parent=parent,
                                  volume_meta={}, progress=progress)
            assert bool(bench.store.complete(row)) is bool(counts)
    bench.volumes.delete_snapshot(snapshot)
    # Each interrupted attempt has recorded five pieces.
    total = len(list(pieces.cut(pieces.merged((start, MIB) for start in bench.data(volume)), GIB)))
    assert counts[-1][2] <= total - 5 if same else counts[-1][2] >= total - 5
    chain = [parent, row] if incremental else [row]
    assert bench.restored(chain) == bench.data(volume)
    bench.volumes.delete_volume(volume)
    bench.delete(*reversed(chain))


@pytest.mark.parametrize('incremental', [False, True])
def test_a_backup_whose_snapshot_was_half_made_is_finished(bench, incremental):
    volume = bench.volume()
    bench.change(volume)
    parent = bench.backup(volume)[0] if incremental else None
    bench.change(volume)
    row = bench.row(volume.id, parent)

    def interrupt(pool):
        ceph.half_make(pool, *pools.locate(pool, row))
        pools.remove_metadata(pool, row)
    with bench.opened(volume) as disk:
        for is_interrupted in (True, False):
            bench.store.write(row, Source(Image(disk), GIB), parent=parent, volume_meta={},
                              progress=lambda *_counts: None)
            if is_interrupted:
                bench.store.cluster.run('backups', interrupt)
    chain = [parent, row] if incremental else [row]
    assert bench.restored(chain) == bench.data(volume)
    bench.volumes.delete_volume(volume)
    bench.delete(*reversed(chain))


@pytest.mark.parametrize('spoil', [
    images.remove_snapshot, ceph.half_make],
    ids=['none', 'half made'])
def test_a_full_backup_without_a_snapshot_gets_one(bench, spoil):
    """The original makes none of a volume on other storage; we may be killed while we make it."""
    volume = bench.volume()
    bench.change(volume)
    before, (full, _written) = bench.data(volume), bench.backup(volume)
    bench.store.cluster.run('backups', lambda pool: spoil(pool, *pools.locate(pool, full)))
    bench.change(volume)
    row, _written = bench.backup(volume, full)
    assert bench.restored([full]) == before
    assert bench.restored([full, row]) == bench.data(volume)
    bench.volumes.delete_volume(volume)
    bench.delete(row, full)


def test_a_backup_that_failed_leaves_nothing(bench):
    volume = bench.volume()
    bench.change(volume)

    def stop(*_counts):
        raise Stopped
    row = bench.row(volume.id)
    with pytest.raises(Stopped):
        bench.backup(volume, row=row, progress=stop)
    bench.delete(row)
    assert bench.contents() == []
    full, _written = bench.backup(volume)
    child = bench.row(volume.id, full)
    bench.change(volume)
    with pytest.raises(Stopped):
        bench.backup(volume, full, child, progress=stop)
    bench.delete(child)
    assert bench.store.verify([full], sample=100).problems == ()
    bench.volumes.delete_volume(volume)
    bench.delete(full)


def test_what_is_not_there_is_named(bench):
    row = bench.row(str(uuid.uuid4()))
    for method in (bench.store.look, lambda row: bench.store.restore(
            [row], Target(None, GIB), done=0, checkpoint=None, progress=None)):
        with pytest.raises(exception.BackupObjectNotFound, match=names.own_image(row)):
            method(row)
    assert names.own_image(row) in bench.store.verify([row], sample=1).problems[0]
    row.container = 'nothing'
    with pytest.raises(exception.BackupObjectNotFound, match='nothing/'):
        bench.store.look(row)
    row.service_metadata = '{"base": "volume-of-another"}'
    with pytest.raises(exception.InvalidBackup, match='volume-of-another'):
        bench.store.delete_backup(row)


def test_a_store_of_files_reads_what_has_changed(bench, ceph_cluster):
    """The chunked format, with the ranges of the driver and snapshots that have rows."""
    store = chunked.Bench(PosixBackupDriver(options(bench.folder)), bench.folder)
    store.store.check()
    volume = bench.volume()
    bench.change(volume)
    snapshots, chain, read_bytes = [], [], []
    for _number in range(2):
        snapshots.append(volumes.snapshot(volume))
        bench.volumes.create_snapshot(snapshots[-1])
        ranges = ({'changed': bench.volumes.changed_ranges(snapshots[1], snapshots[0])}
                  if chain else {'mapped': bench.volumes.mapped_ranges(snapshots[0])})
        with devices.opened(bench.volumes.open_snapshot(snapshots[-1])) as data:
            row = store.backup(chain[-1] if chain else None)
            written = writer.write(store.store, row, Source(data, GIB, **ranges),
                                   spool=store.spool, parent=chain[-1] if chain else None)
        chain.append(row)
        read_bytes.append(written.read_bytes)
        state = bench.data(volume)
        bench.change(volume, 1)
    # Six changes, then one, each of at most 1 MiB, in one or two objects, of which the cluster
    # knows the end.
    assert read_bytes[1] < read_bytes[0] < 6 * 2 * 4 * MIB + 9 * MIB
    assert read_bytes[1] < 2 * 4 * MIB + 9 * MIB
    target = bench.volume()
    with devices.opened(bench.volumes.local_path(target), writable=True) as data:
        reader.restore(store.store, chain, Target(data, GIB, zeroed=True), spool=store.spool)
    assert bench.data(target) == state
    # A base that is newer, or gone.
    assert bench.volumes.changed_ranges(*snapshots) is None
    assert bench.volumes.changed_ranges(snapshots[1], volumes.snapshot(volume)) is None
    for snapshot in snapshots:
        bench.volumes.delete_snapshot(snapshot)
    for each in (volume, target):
        bench.volumes.delete_volume(each)


def options(folder):
    """Options of a store in a directory."""
    conf = cfg.ConfigOpts()
    cinder.conf.register(conf)
    conf([], project='cinder', default_config_files=[], default_config_dirs=[])
    conf.set_override('backup_posix_path', str(folder / 'store'))
    conf.set_override('backup_file_size', 4 * MIB)
    return conf


# ---------------------------------------------------------------------------------- the original
@pytest.fixture(scope='module')
def peer(tmp_path_factory, ceph_cluster):
    """A Peer."""
    try:
        python = backup_peer.python()
    except backup_peer.Unavailable as exc:
        pytest.skip(str(exc))
    return backup_peer.Peer(python, tmp_path_factory.mktemp('peer'))


def as_row(backup):
    return {name: getattr(backup, name) for name in COLUMNS} | {'service': DRIVER}


def of_peer(made):
    """A row as the database of the original has it, and hands it over."""
    return objects.Backup(object_count=0, snapshot_id=None,
                          **{name: made[name] for name in COLUMNS})


def place(bench, volume):
    return {'pool': 'volumes', 'image': volume.name, 'user': ceph.USER,
            'conf': str(bench.cluster.conf)}


def new(volume, parent=None):
    return {'id': str(uuid.uuid4()), 'volume_id': volume.id, 'size': 1, 'service': DRIVER,
            'parent_id': parent and parent.id}


@pytest.mark.timeout(600)
def test_a_chain_of_both(bench, peer):
    """A full backup of the original, an incremental one of ours, and one of the original: each
    finds the snapshots that the other has left in the volume and in the pool, and reads all."""
    options = {'backup_driver': DRIVER, **bench.options}
    volume, target = bench.volume(), bench.volume()
    bench.change(volume)
    full = of_peer(peer.backup(place(bench, volume), new(volume), **options))
    states = [bench.data(volume)]
    bench.change(volume, 2)
    middle, written = bench.backup(volume, full)
    assert written.read_bytes < 2 * MIB + 9 * MIB + 4 * MIB
    states.append(bench.data(volume))
    bench.change(volume, 2)
    newest = of_peer(peer.backup(place(bench, volume), as_row(middle), new(volume, middle),
                                 **options))
    states.append(bench.data(volume))
    chain = [full, middle, newest]
    assert [names.owner(name) for name in bench.volumes.backup_snapshots(volume)] == [
        each.id for each in chain]
    assert len({each.service_metadata for each in chain}) == 1
    assert set(bench.store.volume_meta(full)) >= {'volume-base-metadata'}
    for count, state in enumerate(states, 1):
        assert bench.restored(chain[:count], b'old' * MIB) == state
    # The original restores ours to a new volume by a difference, and to a file by a copy.
    peer.restore([as_row(full), as_row(middle)], place(bench, target), True, **options)
    assert bench.data(target) == states[1]
    # Both delete what the other wrote.
    bench.delete(newest)
    peer.delete([as_row(full), as_row(middle)], **options)
    assert bench.restored([full]) == states[0]
    for each in (volume, target):
        bench.volumes.delete_volume(each)
    bench.delete(full)


@pytest.mark.timeout(600)
def test_volumes_of_other_storages(bench, peer):
    """The original makes no snapshot of them, and no incremental backups; we make both, and it
    restores them."""
    options = {'backup_driver': DRIVER, **bench.options}
    path, target = bench.folder / 'volume', bench.folder / 'target'
    path.write_bytes(bytes(3 * MIB) + bench.rng.randbytes(5 * MIB))
    os.truncate(path, GIB)
    volume = volumes.volume(1)
    full = of_peer(peer.backup(path, new(volume), **options))
    assert full.service_metadata is None
    descriptor = os.open(path, os.O_RDWR)
    state = read(Descriptor(descriptor))
    assert bench.restored([full], b'old' * MIB) == state
    os.pwrite(descriptor, b'new' * MIB, 6 * MIB)
    os.pwrite(descriptor, bytes(MIB), 4 * MIB)
    child = bench.row(volume.id, full)
    began = time.monotonic()
    bench.store.write(child, Source(Descriptor(descriptor), GIB), parent=full,
                      volume_meta=facts(volume), progress=lambda *_counts: None)
    assert time.monotonic() - began < 60
    # The parent has a snapshot of its own by now; to read all of it takes long.
    assert bench.store.verify([full, child], sample=1).problems == ()
    assert len(bench.store.source_snapshot(full)) > 40
    assert bench.restored([full, child]) == read(Descriptor(descriptor))
    target.write_bytes(b'')
    os.truncate(target, GIB)
    peer.restore([as_row(full), as_row(child)], target, True, **options)
    with target.open('rb') as stream:
        assert read(Descriptor(stream.fileno())) == read(Descriptor(descriptor))
    os.close(descriptor)
    bench.delete(child, full)
