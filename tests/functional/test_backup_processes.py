# SPDX-License-Identifier: Apache-2.0
"""cinder-backup as a process, with a database file and the bus in memory: what it refuses, when it
is up, how several processes share its work, and how it stops. test_backups.py has its work."""
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from tests.functional.daemon import ROOT, SECONDS, Daemon, sync
from tests.functional.processes import wait_until

POSIX = 'cinder.backup.drivers.posix.PosixBackupDriver'
# Adds deletions of backups that have no data.
ADD = '''
import sys
from cinder import context, objects
from cinder.cmd import common
sys.argv = ['test', '--config-file', sys.argv[1]]
common.read_configuration()
objects.register_all()
from cinder.db import backups, operations
ctxt = context.RequestContext(is_admin=True, user_id='u', project_id='p')
for number in range(24):
    backup = backups.create(ctxt, {
        'project_id': 'p', 'volume_id': '3f2f1c5e-0000-4000-8000-000000000000', 'size': 1,
        'status': 'deleting', 'host': 'node', 'availability_zone': 'nova'})
    operations.create(ctxt, 'backup.delete', backup, host='node')
'''


@pytest.fixture
def backup(daemon):
    """Make a cinder-backup with these options."""
    def make(**options) -> Daemon:
        return daemon('backup', **{
            'host': 'node', 'backup_driver': POSIX, 'operation_poll_interval': 1,
            'backup_driver_init_check_interval': 5, 'backup_driver_stats_polling_interval': 10,
            **options})
    return make


@pytest.mark.parametrize(('options', 'words'), [
    ({'backup_driver': 'no.such.Driver'}, 'backup_driver = no.such.Driver cannot be loaded'),
    ({'backup_driver': 'cinder.backup.store.Store'}, 'is not a driver of a backup store'),
    ({'backup_posix_path': '/proc/backups'}, 'backup_posix_path = /proc/backups cannot be used'),
    ({'backup_file_size': 40000}, 'is not a multiple of backup_sha_block_size_bytes = 32768'),
    ({'backup_compression_algorithm': 'rar'}, 'backup_compression_algorithm'),
    ({'backup_workers': 0}, 'backup_workers'),
    ({'backup_manager': 'no.such.Manager'}, 'no.such.Manager'),
])
def test_a_wrong_option_is_one_line_and_status_1(backup, options, words):
    service = backup(**options)
    service.start()
    assert service._popen.wait(SECONDS) == 1
    line, = service.text().splitlines()
    assert words in line


@pytest.mark.parametrize('backend', ['eventlet', 'threading'])
def test_it_is_up_while_its_store_answers(backup, tmp_path, backend):
    store = tmp_path / 'store'
    service = backup(backup_posix_path=store, concurrency_backend=backend)
    sync(service)
    service.begin(lambda: 'cinder-backup on node is up.' in service.text())
    shutil.rmtree(store)
    store.write_text('no directory')
    service.says('cinder-backup on node is down: ')
    store.unlink()
    service.says('cinder-backup on node is up.', times=2)
    service.signal(signal.SIGHUP)
    assert service.end() == 0
    assert 'cinder-backup on node has stopped.' in service.text()
    assert 'Traceback' not in service.text()


def test_ctrl_c(backup):
    service = backup()
    sync(service)
    service.begin(lambda: 'cinder-backup on node is up.' in service.text())
    assert service.end(signal.SIGINT) in (0, 1)
    assert 'Traceback' not in service.text()


@pytest.mark.parametrize('backend', ['eventlet', 'threading'])
def test_several_processes_share_the_work(backup, backend):
    # Longer than the time between two looks into the journal, so neither can do all of it.
    service = backup(backup_workers=2, concurrency_backend=backend,
                     fault_points='backup.delete:finish:before=delay:1')
    sync(service)
    service.begin(lambda: 'cinder-backup on node is up.' in service.text())
    workers = service.children()
    assert len(workers) == 2

    def deletions() -> set[int]:
        return {int(pid) for pid in re.findall(r'(\d+) INFO .* backup.delete of \S+ \S+ begins',
                                               service.text())}
    subprocess.run([sys.executable, '-c', ADD, str(service.path)], check=True, cwd=ROOT,
                   env=service.env, capture_output=True)
    service.says('backup.delete of backup', times=48)
    assert deletions() == set(workers)
    # One that is killed is replaced, and the host stays up.
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(service.children()) == 2 and not set(workers) & set(service.children()),
               SECONDS, 'other processes')
    service.says('cinder-backup on node is up.', times=2)
    assert service.end() == 0
