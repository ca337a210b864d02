# SPDX-License-Identifier: Apache-2.0
"""The store in a directory: what any store promises, and that no path leads out of it."""
import errno
import os
import stat

import pytest

from cinder import exception, objects
from cinder.backup.chunked import deletion
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.conf import CONF

BACKUP = objects.Backup(id='0a1b2c3d-0000-4000-8000-000000000000')
OWN = '0a/1b/0a1b2c3d-0000-4000-8000-000000000000'


@pytest.fixture
def root(tmp_path):
    return tmp_path / 'store'


@pytest.fixture
def store(conf, root):
    conf.set_override('backup_posix_path', str(root))
    store = PosixBackupDriver(CONF)
    store.check()
    return store


def write(store, container, name, *data):
    with store.writer(container, name) as stream:
        for part in data:
            stream.write(part)


def read(store, container, name):
    with store.reader(container, name) as stream:
        return b''.join(iter(lambda: stream.read(3), b''))


def test_what_is_written_is_read_and_deleted(store, root):
    store.create_container(OWN)
    write(store, OWN, 'p-00001', b'one', b'two!')
    write(store, OWN, 'p-00001', b'again')
    write(store, OWN, 'q-00001', b'')
    assert store.names(OWN, 'p') == ['p-00001']
    assert (read(store, OWN, 'p-00001'), read(store, OWN, 'q-00001')) == (b'again', b'')
    store.delete_container(OWN)
    for name in ('p-00001', 'q-00001', 'q-00001'):
        store.delete(OWN, name)
    store.delete_container(OWN)
    store.delete_container(OWN)
    assert list(root.iterdir()) == []


def test_the_first_bytes_may_be_written_last(store):
    store.create_container('c')
    with store.writer('c', 'p') as stream:
        stream.write(b'....rest')
        stream.patch(0, b'head')
        stream.write(b'!')
    assert read(store, 'c', 'p') == b'headrest!'


def test_permissions_are_those_of_the_original_whatever_the_umask(store, root):
    before = os.umask(0o077)
    try:
        store.create_container(OWN)
        write(store, OWN, 'p', b'x')
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in sorted(root.rglob('*'))]
    assert modes == [0o770, 0o770, 0o770, 0o660]


def test_an_interrupted_write_leaves_the_old_object(store, root):
    store.create_container('c')
    write(store, 'c', 'p', b'old')
    with pytest.raises(KeyboardInterrupt), store.writer('c', 'p') as stream:
        stream.write(b'new')
        assert len(store.names('c', 'p')) == 2
        raise KeyboardInterrupt
    assert (store.names('c', 'p'), read(store, 'c', 'p')) == (['p'], b'old')


def test_an_error_of_the_caller_stays_itself(store):
    store.create_container('c')
    with pytest.raises(BrokenPipeError), store.writer('c', 'p'):
        raise BrokenPipeError


def test_a_container_with_other_backups_stays(store, root):
    store.create_container('ours')
    store.delete_container('ours')
    assert (root / 'ours').exists()


@pytest.mark.parametrize(('asked', 'default', 'found'), [
    (None, None, OWN), (None, 'all', 'all'), ('a/b', 'all', 'a/b')])
def test_the_container_is_that_of_the_user_or_the_default(conf, store, asked, default, found):
    conf.set_override('backup_container', default)
    assert store.container_of(objects.Backup(id=BACKUP.id, container=asked)) == found


@pytest.mark.parametrize('name', ['/etc', '..', 'a/../..', 'a//b', './a', 'a/', '.', 'a\0b',
                                  'x' * 256])
def test_a_container_outside_of_the_store_is_refused(store, name):
    with pytest.raises(exception.InvalidBackupContainer):
        store.container_of(objects.Backup(id=BACKUP.id, container=name))
    for call in (store.create_container, lambda name: store.names(name, ''),
                 lambda name: read(store, name, 'p'), lambda name: write(store, name, 'p', b'')):
        with pytest.raises(exception.InvalidBackupContainer):
            call(name)


@pytest.mark.parametrize('name', ['../p', 'a/b', '', '..', 'a\0'])
def test_an_object_outside_of_its_container_is_refused(store, name):
    store.create_container('c')
    for call in (read, write, PosixBackupDriver.delete):
        with pytest.raises(exception.BackupDataError):
            call(store, 'c', name)


def test_links_are_not_followed(store, root, tmp_path):
    (tmp_path / 'secret').mkdir()
    (tmp_path / 'secret/p').write_text('x')
    (root / 'link').symlink_to(tmp_path / 'secret')
    store.create_container('c')
    (root / 'c/p').symlink_to(tmp_path / 'secret/p')
    os.mkfifo(root / 'c/pipe')
    for call in (lambda: store.create_container('link/c'), lambda: store.names('link', ''),
                 lambda: read(store, 'link', 'p'), lambda: read(store, 'c', 'p')):
        with pytest.raises(exception.BackupStoreError):
            call()
    with pytest.raises(exception.BackupDataError, match='c/pipe .*not a regular file'):
        read(store, 'c', 'pipe')
    assert not (tmp_path / 'secret/c').exists()


def test_the_store_itself_may_be_a_link(conf, store, root, tmp_path):
    (tmp_path / 'link').symlink_to(root)
    conf.set_override('backup_posix_path', str(tmp_path / 'link'))
    store.create_container('c')
    assert (root / 'c').is_dir()


@pytest.mark.parametrize(('number', 'kind'), [
    (errno.ENOSPC, exception.BackupStoreFull), (errno.EDQUOT, exception.BackupStoreFull),
    (errno.EROFS, exception.BackupStoreRefused), (errno.ESTALE, exception.BackupStoreUnavailable),
    (errno.EFBIG, exception.BackupStoreError)])
def test_errors_name_the_object_and_the_offset(store, root, monkeypatch, number, kind):
    store.create_container('c')

    def fail(_descriptor, data):
        raise OSError(number, os.strerror(number))

    with pytest.raises(kind, match=f'c/p, offset 3: {os.strerror(number)}') as told, \
            store.writer('c', 'p') as stream:
        stream.write(b'abc')
        monkeypatch.setattr(os, 'write', fail)
        stream.write(b'd')
    assert type(told.value) is kind and list((root / 'c').iterdir()) == []


@pytest.mark.parametrize('call', ['fchmod', 'fsync', 'rename'])
def test_no_step_of_a_write_that_fails_leaves_a_file(store, root, monkeypatch, call):
    """A share whose users are all mapped to one refuses fchmod."""
    store.create_container('c')
    before = len(os.listdir('/proc/self/fd'))

    def fail(*_args, **_kwargs):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(exception.BackupStoreRefused, match='c/p: Operation not permitted'):
        write(store, 'c', 'p', b'x')
    assert list((root / 'c').iterdir()) == []
    assert len(os.listdir('/proc/self/fd')) == before


def test_a_missing_object_is_named(store):
    store.create_container('c')
    with pytest.raises(exception.BackupObjectNotFound, match='c/p'):
        read(store, 'c', 'p')
    with pytest.raises(exception.BackupObjectNotFound, match='d/p'):
        read(store, 'd', 'p')
    assert store.names('d', '') == []


def test_a_store_that_is_not_there_does_not_answer(conf, tmp_path):
    conf.set_override('backup_posix_path', str(tmp_path / 'not/mounted'))
    with pytest.raises(exception.BackupStoreError, match='not/mounted'):
        PosixBackupDriver(CONF).check()
    (tmp_path / 'file').touch()
    conf.set_override('backup_posix_path', str(tmp_path / 'file'))
    with pytest.raises(exception.BackupStoreError, match='Not a directory'):
        PosixBackupDriver(CONF).check()


def test_what_a_killed_write_leaves_is_deleted_with_the_backup(store, root):
    backup = objects.Backup(id=BACKUP.id, container=OWN, service_metadata=f'p_{BACKUP.id}')
    store.create_container(OWN)
    write(store, OWN, f'{backup.service_metadata}-00001', b'x')
    (root / OWN / f'{backup.service_metadata}-00002.0123abcd.part').write_bytes(b'x')
    deletion.delete(store, backup)
    assert list(root.iterdir()) == []
