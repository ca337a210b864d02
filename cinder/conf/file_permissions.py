# SPDX-License-Identifier: Apache-2.0
"""Finds configuration files that other users of this host can read or change although they must
not. Reads files and their modes, changes nothing."""

import os
import re
import stat
from collections.abc import Iterator

from oslo_config import cfg
from oslo_utils import strutils

from cinder.conf import config_files, options
from cinder.conf.problem import Problem

# Our options; those of libraries are recognized by name, as in oslo.log.
_SECRET = frozenset(opt.dest for opts in options.BY_GROUP.values() for opt in opts if opt.secret)
_URL_WITH_PASSWORD = re.compile(r'://[^/\s@]*:[^/\s@]+@')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Report what other users can do with the files of this configuration, the worst first.

    :param conf: a parsed configuration
    """
    yield from _writable(conf)
    yield from _readable(conf)


def _exposure(text: str, grave: bool) -> Problem:
    return Problem(f'Unsafe permissions: {text}', fatal=False, grave=grave)


def _writable(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    for path in dict.fromkeys((*config_files.paths(conf), *_others(conf))):
        if _mode(path) & stat.S_IWOTH:
            yield _exposure(f'chmod o-w {path}: EVERY USER OF THIS HOST CAN CHANGE it, and so '
                            'control this service and the access to it.', True)
        folder = os.path.dirname(os.path.abspath(path))
        mode = _mode(folder)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            yield _exposure(f'chmod o-w {folder}: EVERY USER OF THIS HOST CAN REPLACE '
                            f'{os.path.basename(path)} there.', True)


def _readable(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    for path in config_files.paths(conf):
        secrets = sorted(set(_secrets(path))) if _mode(path) & stat.S_IROTH else ()
        if secrets:
            yield _exposure(f'chmod o-rwx {path}: every user of this host can read it, and it '
                            f'contains {", ".join(secrets)}.', False)
    key = conf.ssl.key_file if 'ssl' in conf and 'key_file' in conf.ssl else None
    if key and _mode(key) & stat.S_IROTH:
        yield _exposure(f'chmod o-rwx {key}: every user of this host can read this private key.',
                        False)


def _others(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield the other files that control access, if they are used and exist."""
    names = [conf.api_paste_config] if 'api_paste_config' in conf else []
    if 'oslo_policy' in conf:
        names.append(conf.oslo_policy.policy_file)
    for name in filter(None, names):
        path = name if os.path.isabs(name) else conf.find_file(name)
        if path and os.path.exists(path):
            yield path


def _secrets(path: str) -> Iterator[str]:
    try:
        found = config_files.read_settings(path)
    except (OSError, cfg.Error):
        return
    for setting in found:
        if _is_secret(setting.name, setting.value):
            yield setting.option


def _is_secret(name: str, value: str) -> bool:
    if not value:
        return False
    line = f'{name} = {value}'
    if '://' in value:
        return bool(_URL_WITH_PASSWORD.search(value))
    return name.replace('-', '_') in _SECRET or strutils.mask_password(line) != line


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0
