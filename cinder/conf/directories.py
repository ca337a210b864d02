# SPDX-License-Identifier: Apache-2.0
"""Checks the directories in the options before a service starts. Drivers check the directories of
their back ends, because storage that is missing now may appear later."""

import os
import stat
import tempfile
from collections.abc import Iterator

from oslo_config import cfg

from cinder.conf.problem import Problem


def unusable_reason(path: str) -> str | None:
    """Return why no file can be created in a directory, which need not exist yet; None if one can.

    A temporary file or directory is created for the test.
    """
    try:
        existing = _nearest(os.path.abspath(path))
        if not stat.S_ISDIR(os.stat(existing).st_mode):
            return f'{existing} is not a directory'
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
    """Return the path itself, or its nearest parent that exists."""
    while True:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path)
        else:
            return path


def check_state_path(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the directory that other options refer to."""
    yield from check(conf, 'DEFAULT', 'state_path')


def check_working_directories(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the directories in which cinder-volume works."""
    yield from check(conf, 'DEFAULT', 'image_conversion_dir')
    # os-brick creates its lock files there.
    if 'oslo_concurrency' in conf and conf.oslo_concurrency.lock_path:
        yield from check(conf, 'oslo_concurrency', 'lock_path')


def check(conf: cfg.ConfigOpts, group: str, name: str) -> Iterator[Problem]:
    """Check one option that names a directory."""
    path = conf[name] if group == 'DEFAULT' else conf[group][name]
    reason = unusable_reason(path)
    if reason:
        yield Problem(f'[{group}] {name} = {path} cannot be used: {reason}. Expected a directory '
                      'that this user can write to.')
