# SPDX-License-Identifier: Apache-2.0
"""A store on an NFS share that this service mounts with os-brick; on the share it is a store in a
directory. A call to a server that is away blocks, so the check asks in a thread of its own."""
import contextlib
import functools
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import tenacity
from oslo_config import cfg
from oslo_log import log as logging

from cinder import concurrency, exception
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.brick import library
from cinder.conf import backup_nfs, backup_posix, directories
from cinder.conf.problem import Problem

if TYPE_CHECKING:
    from os_brick.remotefs.remotefs import RemoteFsClient

LOG = logging.getLogger(__name__)
# Seconds after which the check reports that the server does not answer, and between two attempts
# to mount the share.
CHECK_SECONDS, PAUSE_SECONDS = 30.0, 1.0
_MOUNT = 'mount.nfs'
_MOUNTS = '/proc/self/mounts'
# How the kernel writes the characters that separate its words.
_ESCAPES = {ord(character): f'\\{ord(character):03o}' for character in ' \t\n\\'}
_SHARE = re.compile(r'(\[[0-9A-Za-z:.%]+\]|[^:/\s]+):/\S*')


class NFSBackupDriver(PosixBackupDriver):
    """Stores backups on the share backup_share."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        share = conf.backup_share
        if not share or not _SHARE.fullmatch(share):
            raise exception.InvalidConfigurationValue(
                f'backup_share = {share or "(not set)"} is not a share; expected host:/path, with '
                'an IPv6 address in brackets')
        self._share: str = share
        self._check = Check(self._look)

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return [*backup_nfs.OPTS, *backup_posix.OPTS]

    @property
    def root(self) -> str:
        """The directory on which the share is mounted, as os-brick names it."""
        path: str = self._client.get_mount_point(self._share)
        return path

    def set_up(self) -> None:
        """Mount the share if it is not mounted, and let the group of this service use it."""
        if self._is_mounted():
            return
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exception.BackupStoreUnavailable),
            stop=tenacity.stop_after_attempt(self.conf.backup_mount_attempts),
            wait=tenacity.wait_fixed(PAUSE_SECONDS), reraise=True)(self._mount)
        self._allow_group()

    def _mount(self) -> None:
        try:
            self._client.mount(self._share)
        except Exception as exc:  # os-brick raises errors of several libraries
            reason = ' '.join(str(getattr(exc, 'stderr', '') or exc).split())
            LOG.warning('The share %s cannot be mounted: %s', self._share, reason)
            raise exception.BackupStoreUnavailable(
                where=self._share, reason=f'it cannot be mounted on {self.root}: {reason}'
            ) from exc

    def problems(self) -> Iterator[Problem]:
        yield from directories.check(self.conf, 'DEFAULT', 'backup_mount_point_base')
        # The privileged helper has these directories, which the service may not have.
        if not shutil.which(_MOUNT, path=f'{os.defpath}:/sbin:/usr/sbin'):
            yield Problem(f'[DEFAULT] backup_share = {self._share} cannot be mounted: there is no '
                          f'{_MOUNT}. Install nfs-common (Debian) or nfs-utils.', fatal=False)

    def check(self) -> None:
        self._check.run(CHECK_SECONDS, self._share)

    def _look(self) -> None:
        with self._directory(''):
            super().check()

    def _open(self, opened: contextlib.ExitStack, container: str) -> int:
        # Without the mount, the directory is one of the local disk.
        if not self._is_mounted():
            raise exception.BackupStoreUnavailable(
                where=self._share, reason=f'it is not mounted on {self.root}')
        return super()._open(opened, container)

    def _is_mounted(self) -> bool:
        """Ask the kernel for its mounts, which does not ask the server."""
        escaped = self.root.translate(_ESCAPES)
        with open(_MOUNTS, errors='surrogateescape') as mounts:
            return any(line.split(' ')[1] == escaped for line in mounts)

    def _allow_group(self) -> None:
        """Let the group of this service write, on a share that is mounted for the first time."""
        if os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
            return
        from os_brick.privileged import rootwrap
        try:
            for program, argument in (('chgrp', str(os.getegid())), ('chmod', 'g+rwx')):
                rootwrap.execute(program, argument, self.root, run_as_root=True)
        except Exception as exc:  # as above
            # The check reports what is missing.
            LOG.warning('The share %s could not be given to the group of this service: %s',
                        self._share, exc)

    @functools.cached_property
    def _client(self) -> 'RemoteFsClient':
        library.prepare()
        from os_brick.remotefs import remotefs
        # The kernel names a mount by the path without links.
        base = os.path.realpath(self.conf.backup_mount_point_base)
        return remotefs.RemoteFsClient('nfs', None, nfs_mount_point_base=base,
                                       nfs_mount_options=self.conf.backup_mount_options)


class Check:
    """Calls a function that may block for ever, one call at a time.

    :param function: raises the reason why the store cannot be used
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._threading = concurrency.original('threading')
        self._lock = self._threading.Lock()
        self._done = self._threading.Event()
        self._done.set()
        self._began = 0.0
        self._error: BaseException | None = None

    def run(self, seconds: float, where: str) -> None:
        """Call the function, or wait for the call of before that has not ended.

        :raises BackupStoreUnavailable: it has not ended after so many seconds
        """
        with self._lock:
            if self._done.is_set():
                self._done.clear()
                self._began = time.monotonic()
                self._threading.Thread(target=self._call, name='nfs-check', daemon=True).start()
            elif time.monotonic() - self._began > seconds:
                seconds = 0
        if not self._done.wait(seconds):
            waited = time.monotonic() - self._began
            raise exception.BackupStoreUnavailable(
                where=where, reason=f'the server has not answered for {waited:.0f} s')
        if self._error:
            raise self._error

    def _call(self) -> None:
        self._error = None
        try:
            self._function()
        except BaseException as exc:
            self._error = exc
        self._done.set()
