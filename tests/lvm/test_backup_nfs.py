# SPDX-License-Identifier: Apache-2.0
"""The store of backups on an NFS share, with a server and a client in the kernel."""
import pathlib
import random
import subprocess
import threading
import time

import pytest
from oslo_config import cfg

import cinder.conf
from cinder import exception
from cinder.backup.chunked import deletion
from cinder.backup.drivers import nfs
from cinder.backup.drivers.nfs import NFSBackupDriver
from tests.backup_stores import MIB, every_case, play
from tests.functional.processes import wait_until
from tests.lvm import nfs_server
from tests.unit.backup.chunked.conftest import Bench


@pytest.fixture(scope='module')
def server():
    if reason := nfs_server.obstacle():
        pytest.skip(reason)
    nfs_server.start()


@pytest.fixture(scope='module')
def store(server, tmp_path_factory):
    conf = cfg.ConfigOpts()
    cinder.conf.register(conf)
    conf([], project='cinder', default_config_files=[], default_config_dirs=[])
    folder = tmp_path_factory.mktemp('nfs')
    for name, value in {'state_path': str(folder), 'backup_share': nfs_server.SHARE,
                        'backup_mount_options': 'vers=4.2,proto=tcp',
                        'backup_file_size': 4 * MIB, 'backup_mount_attempts': 2}.items():
        conf.set_override(name, value)
    made = NFSBackupDriver(conf)
    with pytest.raises(exception.BackupStoreUnavailable, match='not mounted'):
        made.check()
    made.set_up()
    yield made
    subprocess.run(['umount', '-l', made.root], check=True)


@every_case
def test_the_store_does_what_all_do(store, case):
    play(case, store, size=8 * MIB)
    assert list(nfs_server.EXPORT.iterdir()) == []


def test_a_chain_is_written_restored_and_deleted(store, tmp_path):
    bench = Bench(store, tmp_path)
    first = random.Random(1).randbytes(5 * MIB) + bytes(5 * MIB)
    second = first[:3 * MIB] + b'changed!' + first[3 * MIB + 8:]
    full = bench.full(first)
    child = bench.backup(parent=full)
    bench.write(child, second, parent=full)
    assert len(list(nfs_server.EXPORT.rglob('*_metadata'))) == 2
    assert bench.restore([full, child], b'?' * 10 * MIB) == second
    for backup in (child, full):
        deletion.delete(store, backup)
    assert list(nfs_server.EXPORT.iterdir()) == []


def test_a_mount_that_is_gone_is_noticed_and_restored(store):
    subprocess.run(['umount', store.root], check=True)
    for call in (store.check, lambda: store.create_container('c')):
        with pytest.raises(exception.BackupStoreUnavailable, match='not mounted'):
            call()
    store.set_up()
    store.check()
    mounts = pathlib.Path('/proc/self/mounts').read_text().splitlines()
    assert 'vers=4.2' in next(line for line in mounts if store.root in line)


def test_a_share_that_does_not_exist_is_named(store):
    conf = store.conf
    conf.set_override('backup_share', '127.0.0.1:/none')
    conf.set_override('backup_mount_attempts', 1)
    try:
        with pytest.raises(exception.BackupStoreUnavailable, match='127.0.0.1:/none.*mounted on'):
            NFSBackupDriver(conf).set_up()
    finally:
        conf.set_override('backup_share', nfs_server.SHARE)


def test_a_server_that_is_away_is_noticed_in_time_and_work_goes_on_after_it(store, monkeypatch):
    monkeypatch.setattr(nfs, 'CHECK_SECONDS', 1.0)
    content = random.Random(2).randbytes(3 * MIB)
    store.create_container('c')
    nfs_server.keep_silent()

    def write():
        with store.writer('c', 'o') as stream:
            stream.write(content)
    waiting = threading.Thread(target=write, daemon=True)
    waiting.start()
    for _time in range(3):
        began = time.monotonic()
        with pytest.raises(exception.BackupStoreUnavailable, match='has not answered for'):
            store.check()
        assert time.monotonic() - began < 15
    assert waiting.is_alive()
    nfs_server.answer()
    waiting.join(60)

    def answers():
        try:
            store.check()
        except exception.BackupStoreUnavailable:
            return False
        return True
    wait_until(answers, 60, 'the store to answer')
    with store.reader('c', 'o') as stream:
        assert b''.join(iter(lambda: stream.read(MIB), b'')) == content
    store.delete('c', 'o')
