# SPDX-License-Identifier: Apache-2.0
"""The store on a share, on a client of os-brick that mounts nothing; tests/lvm mounts one."""
import hashlib
import threading

import pytest

from cinder import exception
from cinder.backup.drivers import nfs
from cinder.backup.drivers.nfs import NFSBackupDriver
from cinder.conf import CONF

SHARE = 'server:/backups'


class Client:
    """As os_brick.remotefs.remotefs.RemoteFsClient.

    :ivar errors: what the next attempts to mount raise
    """

    def __init__(self, folder):
        self.folder, self.mounted, self.errors, self.attempts = folder, False, [], 0

    def get_mount_point(self, share):
        assert share == SHARE
        return str(self.folder)

    def mount(self, share):
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.folder.mkdir()
        self.mounted = True


@pytest.fixture
def store(conf, tmp_path, monkeypatch):
    conf.set_override('backup_share', SHARE)
    conf.set_override('backup_mount_attempts', 3)
    made = NFSBackupDriver(CONF)
    made.__dict__['_client'] = Client(tmp_path / 'mounted')
    monkeypatch.setattr(made, '_is_mounted', lambda: made._client.mounted)
    monkeypatch.setattr(nfs, 'PAUSE_SECONDS', 0)
    return made


@pytest.mark.parametrize('share', [None, '', 'server', '/backups', 'server:backups',
                                   'server:/two words', '::1:/backups'])
def test_what_is_no_share_is_refused(conf, share):
    conf.set_override('backup_share', share)
    with pytest.raises(exception.InvalidConfigurationValue, match='backup_share = .*expected'):
        NFSBackupDriver(CONF)


@pytest.mark.parametrize('share', ['server:/', 'server.example.com:/a/b', '[fe80::1%eth0]:/a',
                                   '192.0.2.1:/a'])
def test_shares_have_a_host_and_a_path(conf, share):
    conf.set_override('backup_share', share)
    NFSBackupDriver(CONF)


def test_the_mount_point_is_that_of_the_original(conf, tmp_path):
    conf.set_override('backup_share', SHARE)
    conf.set_override('backup_mount_point_base', str(tmp_path))
    conf.set_override('backup_mount_options', 'vers=4.2')
    store = NFSBackupDriver(CONF)
    assert store.root == str(tmp_path / hashlib.md5(SHARE.encode()).hexdigest())
    assert store._client._mount_options == 'vers=4.2'


@pytest.mark.parametrize('name', ['link', 'two words', 'back\\slash'])
def test_a_mount_is_found_whatever_the_path_of_its_directory(conf, tmp_path, monkeypatch, name):
    base = tmp_path / ('real' if name == 'link' else name)
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    conf.set_override('backup_share', SHARE)
    conf.set_override('backup_mount_point_base', str(tmp_path / name))
    # As fs/proc_namespace.c writes it.
    point = f'{base}/{hashlib.md5(SHARE.encode()).hexdigest()}'.replace(
        '\\', r'\134').replace(' ', r'\040')
    mounts = tmp_path / 'mounts'
    monkeypatch.setattr(nfs, '_MOUNTS', str(mounts))
    for line, is_there in ((f'{SHARE} {point}x nfs4 rw 0 0', False),
                           (f'{SHARE} {point} nfs4 rw 0 0', True)):
        mounts.write_text(f'proc /proc proc rw 0 0\n{line}\n')
        assert NFSBackupDriver(CONF)._is_mounted() is is_there


def test_what_would_prevent_the_mount_is_found_at_the_start(store, conf, tmp_path, monkeypatch):
    conf.set_override('backup_mount_point_base', str(tmp_path / 'file'))
    (tmp_path / 'file').touch()
    monkeypatch.setattr(nfs, '_MOUNT', 'mount.none')
    wrong, missing = store.problems()
    assert wrong.fatal and 'backup_mount_point_base = ' in wrong.text
    assert not missing.fatal and 'there is no mount.none' in missing.text


def test_the_share_is_mounted_and_is_then_a_directory(store):
    store._client.errors = [OSError('busy'), OSError('busy')]
    store.set_up()
    store.set_up()
    assert store._client.attempts == 3
    store.check()
    store.create_container('c')
    with store.writer('c', 'o') as stream:
        stream.write(b'x')
    assert store.names('c', '') == ['o']


def test_a_share_that_cannot_be_mounted_is_named_with_the_reason(store):
    store._client.errors = [OSError('access denied\nby server')] * 3
    with pytest.raises(exception.BackupStoreUnavailable, match=f'{SHARE}.*denied by server'):
        store.set_up()
    assert store._client.attempts == 3


def test_nothing_is_written_below_a_mount_point_without_the_share(store):
    store._client.folder.mkdir()
    for call in (lambda: store.create_container('c'), store.check, lambda: store.names('c', '')):
        with pytest.raises(exception.BackupStoreUnavailable, match='not mounted'):
            call()
    assert list(store._client.folder.iterdir()) == []


def test_a_server_that_does_not_answer_is_noticed_in_time():
    answer, calls = threading.Event(), []

    def look():
        calls.append(1)
        answer.wait(10)
    check = nfs.Check(look)
    for _time in range(3):
        with pytest.raises(exception.BackupStoreUnavailable, match='has not answered'):
            check.run(0.01, SHARE)
    assert len(calls) == 1
    answer.set()
    check.run(10, SHARE)
    check.run(10, SHARE)
    assert len(calls) in (2, 3)


def test_the_error_of_a_check_is_that_of_the_store():
    def look():
        raise exception.BackupStoreFull(where='x', reason='y')
    with pytest.raises(exception.BackupStoreFull):
        nfs.Check(look).run(10, SHARE)
