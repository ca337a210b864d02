# SPDX-License-Identifier: Apache-2.0
"""Every path of the data of images through logical volumes, thin and thick, read by dm-crypt. The
rows, and who reads, are in tests/image_paths/table.py.

A part of a row by default; LVM_LAB_FULL=yes plays all of them.
"""
import os
import subprocess

import pytest

from tests.functional.processes import Process, wait_until
from tests.functional.suite import render, script
from tests.image_paths import table, walk
from tests.lvm import encrypted_place, group, service

FULL = os.environ.get('LVM_LAB_FULL') == 'yes'
GROUPS = {'thin': group.NAME, 'thick': service.THICK}


def rows() -> list[table.Row]:
    """Return the rows of logical volumes."""
    return [row for row in table.rows() if row.storage in GROUPS] if FULL else [
        row for storage in GROUPS for row in table.short(storage)]


@pytest.fixture(scope='module')
def backups(suite):
    """The backup service, which other tests here do not need."""
    if not FULL:
        yield
        return
    more = suite.directory / 'backup.conf'
    more.write_text(render({'DEFAULT': {
        'backup_driver': 'cinder.backup.drivers.posix.PosixBackupDriver',
        'backup_posix_path': suite.state / 'backups'}}))
    host = suite.nodes[0].host
    process = Process('cinder-backup', [
        script('cinder-backup'), '--config-file', suite.directory / f'{host}.conf',
        '--config-file', more], suite.directory / 'logs' / 'backup.log', suite.environment())
    process.start()
    try:
        wait_until(lambda: ('cinder-backup', host) in suite.up(), service.TIMEOUT_SECONDS,
                   lambda: f'cinder-backup\n{process.tail(25)}', pause=0.5)
        yield
    finally:
        process.stop()


@pytest.mark.parametrize('row', rows(), ids=str)
def test_in_logical_volumes(suite, image_server, backups, tmp_path, row):
    if subprocess.run(['modprobe', '-a', 'dm-crypt', 'xts'], check=False).returncode:
        pytest.skip('the kernel has no dm-crypt')
    place = encrypted_place.Volumes(suite, image_server, row.storage, GROUPS[row.storage],
                                    tmp_path, whole=FULL)
    walk.Walk(place, row).play()
