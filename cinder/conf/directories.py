# SPDX-License-Identifier: Apache-2.0
"""Whether the folders among the options can be used, asked before a service starts. The folders of
back ends are left to their drivers: storage that is not there now may come later."""

import os
import stat
import tempfile
from collections.abc import Iterator

from oslo_config import cfg

from cinder.conf.problem import Problem


def unusable(path: str) -> str | None:
    """Why no file can be made in a folder, which need not exist yet; None when one can.

    A file or folder is made to find out, and removed.
    """
    try:
        existing = _nearest(os.path.abspath(path))
        if not stat.S_ISDIR(os.stat(existing).st_mode):
            return f'{existing} is not a folder'
        if existing == os.path.abspath(path):
            tempfile.TemporaryFile(dir=existing).close()
        else:
            os.rmdir(tempfile.mkdtemp(dir=existing))
        space = os.statvfs(existing)
    except (OSError, ValueError) as exc:
        return f'{path}: {getattr(exc, "strerror", None) or exc}'
    if space.f_blocks and not space.f_bavail:
        return f'the file system of {existing} is full'
    return None


def _nearest(path: str) -> str:
    """The path, or the first folder above it that exists."""
    while True:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path)
        else:
            return path


def check_state_path(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """The folder that other options refer to."""
    yield from check(conf, 'DEFAULT', 'state_path')


def check_working_folders(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """The folders in which cinder-volume works."""
    yield from check(conf, 'DEFAULT', 'image_conversion_dir')
    # os-brick takes locks between processes there.
    if 'oslo_concurrency' in conf and conf.oslo_concurrency.lock_path:
        yield from check(conf, 'oslo_concurrency', 'lock_path')


def check(conf: cfg.ConfigOpts, group: str, name: str) -> Iterator[Problem]:
    """Check one option that names a folder."""
    path = conf[name] if group == 'DEFAULT' else conf[group][name]
    reason = unusable(path)
    if reason:
        yield Problem(f'[{group}] {name} = {path} cannot be used: {reason}. Give a folder in which '
                      'this user may write.')
