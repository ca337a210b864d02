# SPDX-License-Identifier: Apache-2.0
"""A store in a directory of this machine: containers are directories, objects are files.

Paths are walked one directory at a time without following links, so neither the name of a
container nor what lies in the store leads out of it.
"""
import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator

from oslo_config import cfg

from cinder import exception, objects
from cinder.backup import driver
from cinder.conf import backup_posix, directories
from cinder.conf.problem import Problem

DIRECTORY_MODE, FILE_MODE = 0o770, 0o660
# The directory of a backup whose user names no container.
_OWN = re.compile(r'[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f-]{36}')
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ERRORS: dict[type[exception.BackupStoreError], tuple[int, ...]] = {
    exception.BackupStoreFull: (errno.ENOSPC, errno.EDQUOT),
    exception.BackupStoreRefused: (errno.EACCES, errno.EPERM, errno.EROFS),
    exception.BackupStoreUnavailable: (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV,
                                       errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN)}
_BY_NUMBER = {number: kind for kind, numbers in _ERRORS.items() for number in numbers}


class PosixBackupDriver(driver.BackupDriver):
    """Stores backups in the directory backup_posix_path."""

    can_patch = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self.object_size = conf.backup_file_size
        self.enable_progress_timer = conf.backup_enable_progress_timer
        self.block_size = conf.backup_sha_block_size_bytes
        driver.check_sizes(conf, 'backup_file_size', 'backup_sha_block_size_bytes')

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return backup_posix.OPTS

    @property
    def root(self) -> str:
        """The directory that holds the containers; it may be reached through a link."""
        path: str = self.conf.backup_posix_path
        return os.path.realpath(path)

    def problems(self) -> Iterator[Problem]:
        yield from directories.check(self.conf, 'DEFAULT', 'backup_posix_path')

    def check(self) -> None:
        with _errors(self.root):
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.root, DIRECTORY_MODE)
            with os.scandir(self.root) as entries:
                next(entries, None)
            if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, 'this user cannot create files there')

    def container_of(self, backup: objects.Backup) -> str:
        own = f'{backup.id[0:2]}/{backup.id[2:4]}/{backup.id}'
        container = backup.container or self.conf.backup_container or own
        _parts(container)
        return container

    def create_container(self, container: str) -> None:
        for _attempt in range(3):
            try:
                return self._create_container(container)
            except exception.BackupObjectNotFound:
                continue  # another backup has just deleted a parent that was empty
        return self._create_container(container)

    def _create_container(self, container: str) -> None:
        with _errors(container), contextlib.ExitStack() as opened:
            parent = self._open(opened, '')
            for part in _parts(container):
                try:
                    os.mkdir(part, DIRECTORY_MODE, dir_fd=parent)
                except FileExistsError:
                    parent = _open_directory(opened, part, parent)
                else:
                    os.fsync(parent)
                    parent = _open_directory(opened, part, parent)
                    os.fchmod(parent, DIRECTORY_MODE)  # the umask may have removed bits

    @contextlib.contextmanager
    def writer(self, container: str, name: str) -> Iterator[driver.Writer]:
        where = f'{container}/{name}'
        temporary = f'{_file(container, name)}.{secrets.token_hex(4)}.part'
        with contextlib.ExitStack() as opened:
            with _errors(where):
                directory = self._open(opened, container)
                descriptor = os.open(temporary, _CREATE, FILE_MODE, dir_fd=directory)
                opened.callback(os.close, descriptor)
            try:
                with _errors(where):
                    os.fchmod(descriptor, FILE_MODE)
                yield _Writer(descriptor, where)
                with _errors(where):
                    os.fsync(descriptor)
                    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                    os.fsync(directory)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=directory)
                raise

    @contextlib.contextmanager
    def reader(self, container: str, name: str) -> Iterator[driver.Reader]:
        where = f'{container}/{name}'
        with contextlib.ExitStack() as opened:
            with _errors(where):
                directory = self._open(opened, container)
                descriptor = os.open(_file(container, name), _READ, dir_fd=directory)
                opened.callback(os.close, descriptor)
                regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            if not regular:
                raise exception.BackupDataError(where=where, reason='it is not a regular file')
            yield _Reader(descriptor, where)

    def names(self, container: str, prefix: str) -> list[str]:
        try:
            with self._directory(container, prefix) as directory:
                return sorted(name for name in os.listdir(directory) if name.startswith(prefix))
        except exception.BackupObjectNotFound:
            return []

    def delete(self, container: str, name: str) -> None:
        with contextlib.suppress(exception.BackupObjectNotFound), \
                self._directory(container, name) as directory:
            os.unlink(_file(container, name), dir_fd=directory)

    def delete_container(self, container: str) -> None:
        if not _OWN.fullmatch(container):
            return
        parts = _parts(container)
        for depth in range(len(parts), 0, -1):
            *above, last = parts[:depth]
            try:
                with self._directory('/'.join(above)) as parent:
                    os.rmdir(last, dir_fd=parent)
            except exception.BackupObjectNotFound:
                continue
            except exception.BackupStoreError as exc:
                if _number(exc) in (errno.ENOTEMPTY, errno.EEXIST):
                    return
                raise

    def _open(self, opened: contextlib.ExitStack, container: str) -> int:
        """Open the directory of a container; '' is the root."""
        descriptor = _open_directory(opened, self.root, None)
        for part in _parts(container) if container else ():
            descriptor = _open_directory(opened, part, descriptor)
        return descriptor

    @contextlib.contextmanager
    def _directory(self, container: str, name: str = '') -> Iterator[int]:
        with _errors(f'{container}/{name}'), contextlib.ExitStack() as opened:
            yield self._open(opened, container)


class _File:
    def __init__(self, descriptor: int, where: str) -> None:
        self.descriptor, self.where, self.offset = descriptor, where, 0

    @property
    def place(self) -> str:
        return f'{self.where}, offset {self.offset}'


class _Writer(_File):
    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with _errors(self):
                count = os.write(self.descriptor, rest)
            self.offset += count
            rest = rest[count:]

    def patch(self, offset: int, data: bytes) -> None:
        with _errors(self):
            os.pwrite(self.descriptor, data, offset)


class _Reader(_File):
    def read(self, size: int, /) -> bytes:
        with _errors(self):
            data = os.pread(self.descriptor, size, self.offset)
        self.offset += len(data)
        return data


def _parts(container: str) -> list[str]:
    """Return the directories that lead to a container.

    :raises InvalidBackupContainer: it is not below the directory of the store
    """
    parts = container.split('/')
    if '\0' in container or any(part in ('', '.', '..') for part in parts):
        raise exception.InvalidBackupContainer(
            container=container, reason='expected a relative path without empty parts, "." and '
                                        '".."')
    if any(len(os.fsencode(part)) > 255 for part in parts):
        raise exception.InvalidBackupContainer(
            container=container, reason='expected at most 255 bytes between two "/"')
    return parts


def _file(container: str, name: str) -> str:
    if '/' in name or '\0' in name or name in ('', '.', '..'):
        raise exception.BackupDataError(where=f'{container}/{name!r}',
                                        reason='this store has no objects of such a name')
    return name


def _open_directory(opened: contextlib.ExitStack, name: str, parent: int | None) -> int:
    descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


@contextlib.contextmanager
def _errors(where: str | _File) -> Iterator[None]:
    """Raise an error of the system as one of the store."""
    try:
        yield
    except FileNotFoundError as exc:
        raise exception.BackupObjectNotFound(where=_text(where)) from exc
    except OSError as exc:
        kind = _BY_NUMBER.get(exc.errno or 0, exception.BackupStoreError)
        raise kind(where=_text(where), reason=exc.strerror or str(exc)) from exc


def _text(where: str | _File) -> str:
    return where if isinstance(where, str) else where.place


def _number(exc: exception.BackupStoreError) -> int | None:
    return getattr(exc.__cause__, 'errno', None)
