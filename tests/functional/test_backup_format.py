# SPDX-License-Identifier: Apache-2.0
"""The format of backups in both directions: samples that the original made are restored here, and
the original from PyPI restores what is written here, and the other way round.

PEER names an environment with the original, or is `no`; without it, one is made in the cache.
"""
import base64
import datetime
import hashlib
import json
import os
import pathlib
import random
import tarfile
import uuid

import pytest

from cinder import objects
from cinder.backup.chunked import reader, verify, writer
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.backup.facts import Source, Target
from cinder.backup.volume_data import Descriptor
from cinder.conf import CONF
from tests.functional import backup_peer

SAMPLES = pathlib.Path(__file__).parents[1] / 'samples/backups'
MIB, GIB = 2**20, 2**30
# SHA-256 of the whole volume.
WHOLE = {
    ('zlib', 'full'): 'a01113efd3b57dc8caee77a48f128611004714f6f47f74cd3bf495cfd47f82e0',
    ('zlib', 'incremental'): '3778a0a5db74cf7fde3745cf924b3d6dd4703795afc15781800e99e5c447a931',
    ('zstd', 'full'): 'd1a89401376c9b7e94eaae5209f5a09616df4651ac6f860b1d0f8b251486f9a6',
    ('zstd', 'incremental'): '6745d9d7626a1ef024e0c603e1a58138afff66c2116af8b10a36894799fc366d'}
COLUMNS = ('id', 'volume_id', 'container', 'service_metadata', 'size', 'parent_id')


@pytest.fixture
def options(tmp_path):
    """CONF with a store in the folder `store`."""
    CONF.set_override('backup_posix_path', str(tmp_path / 'store'))
    CONF.set_override('backup_file_size', 4 * MIB)
    yield CONF
    for name in ('backup_posix_path', 'backup_file_size'):
        CONF.clear_override(name)


def row_of(values):
    return objects.Backup(**{name: values[name] for name in COLUMNS})


def restored(driver, chain, path, size, zeroed, spool):
    """Restore into a file."""
    with open(path, 'ab') as stream:
        stream.truncate(size)
    descriptor = os.open(path, os.O_RDWR)
    try:
        reader.restore(driver, chain, Target(Descriptor(descriptor), size, zeroed),
                       spool=str(spool))
    finally:
        os.close(descriptor)
    return path


@pytest.mark.parametrize(('algorithm', 'zeroed'), [('zlib', False), ('zstd', True)])
def test_samples_of_the_original_are_restored(options, tmp_path, algorithm, zeroed):
    with tarfile.open(SAMPLES / f'{algorithm}.tar.xz') as archive:
        archive.extractall(tmp_path / 'store', filter='data')
    driver, chain = PosixBackupDriver(options), []
    for name in ('full', 'incremental'):
        record = json.loads((tmp_path / f'store/export-{name}.json').read_text())['backup-record']
        assert record['backup_service'] == driver.class_path()
        chain.append(row_of(json.loads(base64.b64decode(record['backup_url']))))
        path = tmp_path / name
        path.write_bytes(b'' if zeroed else random.Random(1).randbytes(30 * MIB))
        restored(driver, chain, path, GIB, zeroed, tmp_path)
        with path.open('rb') as stream:
            assert hashlib.file_digest(stream, 'sha256').hexdigest() == WHOLE[algorithm, name]
        assert path.stat().st_blocks * 512 < 10 * MIB
    assert verify.verify(driver, chain, spool=str(tmp_path), sample=20).problems == ()


# ---------------------------------------------------------------------------------- the original
@pytest.fixture(scope='module')
def peer(tmp_path_factory):
    """A Peer."""
    try:
        python = backup_peer.python()
    except backup_peer.Unavailable as exc:
        pytest.skip(str(exc))
    return backup_peer.Peer(python, tmp_path_factory.mktemp('peer'))


def volume_data(rng):
    """24 MiB: random, text, short and long ranges of zeros."""
    parts = [bytes(3 * MIB), rng.randbytes(5 * MIB), b'a few words ' * 100000, bytes(65536),
             rng.randbytes(100), bytes(9 * MIB), b'x']
    return b''.join(parts).ljust(24 * MIB, b'\0')


def changed(data, rng):
    """Other data; what was random is zeros in places, and the other way round."""
    new = bytearray(data)
    new[4 * MIB:5 * MIB] = bytes(MIB)
    new[MIB:MIB + 70000] = rng.randbytes(70000)
    new[20 * MIB:20 * MIB + 1] = b'!'
    return bytes(new)


def new_row(driver, parent=None, volume_id=None):
    row = objects.Backup(id=str(uuid.uuid4()), volume_id=volume_id or str(uuid.uuid4()), size=1,
                         display_name='ä', display_description=None, container=None,
                         parent_id=parent and parent.id,
                         created_at=datetime.datetime.now(datetime.UTC))
    row.container, row.service_metadata = driver.container_of(row), driver.prefix_of(row)
    return row


def write(driver, data, tmp_path, algorithm, parent=None):
    """Write a backup of some data; return its row."""
    row = new_row(driver, parent, parent and parent.volume_id)
    path = tmp_path / 'source'
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        writer.write(driver, row, Source(Descriptor(descriptor), len(data)), spool=str(tmp_path),
                     parent=parent, algorithm=algorithm, volume_meta={
                         'volume-base-metadata': {'id': row.volume_id, 'display_name': 'ä'},
                         'volume-metadata': {'k': 'v'}})
    finally:
        os.close(descriptor)
    return row


def as_row(backup):
    return {name: getattr(backup, name) for name in COLUMNS}


@pytest.mark.parametrize(('algorithm', 'is_new'), [
    ('zstd', True), ('zstd', False), ('zlib', False), ('none', False), ('bz2', False)])
@pytest.mark.timeout(1200)
def test_the_original_restores_what_is_written_here(options, peer, tmp_path, algorithm, is_new):
    options.set_override('backup_posix_path', str(peer.store))
    driver, rng = PosixBackupDriver(options), random.Random(2)
    data = volume_data(rng)
    parent = write(driver, data, tmp_path, algorithm)
    new = changed(data, rng)
    child = write(driver, new, tmp_path, algorithm, parent)
    target = tmp_path / 'target'
    target.write_bytes(bytes(len(new)) if is_new else rng.randbytes(len(new)))
    peer.restore([as_row(parent), as_row(child)], target, is_new)
    assert target.read_bytes() == new


@pytest.mark.parametrize('algorithm', ['none', 'bzip2', 'gzip'])
@pytest.mark.timeout(1200)
def test_what_the_original_writes_is_restored_here(options, peer, tmp_path, algorithm):
    """The samples have the other algorithms."""
    options.set_override('backup_posix_path', str(peer.store))
    data = volume_data(random.Random(3))
    source = tmp_path / 'source'
    source.write_bytes(data)
    row = {'id': str(uuid.uuid4()), 'volume_id': str(uuid.uuid4()), 'size': 1}
    made = peer.backup(source, row, backup_compression_algorithm=algorithm,
                       backup_file_size=8 * MIB)
    target = tmp_path / 'target'
    target.write_bytes(random.Random(4).randbytes(len(data)))
    restored(PosixBackupDriver(options), [row_of(made)], target, GIB, False, tmp_path)
    with target.open('rb') as stream:
        assert stream.read(len(data)) == data


@pytest.mark.timeout(1200)
def test_chains_of_both_are_restored_by_both(options, peer, tmp_path):
    """A full backup of the original, an incremental one written here, and one of the original."""
    options.set_override('backup_posix_path', str(peer.store))
    driver, rng = PosixBackupDriver(options), random.Random(5)
    data = volume_data(rng)
    source = tmp_path / 'peer-source'
    source.write_bytes(data)
    full = row_of(peer.backup(source, {'id': str(uuid.uuid4()), 'volume_id': str(uuid.uuid4()),
                                       'size': 1}))
    data = changed(data, rng)
    middle = write(driver, data, tmp_path, 'zstd', full)
    source.write_bytes(data := changed(data, rng))
    last = {'id': str(uuid.uuid4()), 'volume_id': full.volume_id, 'size': 1,
            'parent_id': middle.id}
    newest = row_of(peer.backup(source, as_row(middle), last))
    old = rng.randbytes(len(data))
    target = tmp_path / 'target'
    target.write_bytes(old)
    peer.restore([as_row(full), as_row(middle),
                  as_row(newest)], target, False)
    assert target.read_bytes() == data
    target.write_bytes(old)
    restored(driver, [full, middle, newest], target, GIB, False, tmp_path)
    with target.open('rb') as stream:
        assert stream.read(len(data)) == data
