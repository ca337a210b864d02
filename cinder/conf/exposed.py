# SPDX-License-Identifier: Apache-2.0
"""Finds configuration files that others on this host may read or change although they must not, so
that an operator learns it at start. Reads files and their modes, changes nothing."""

import glob
import logging
import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from oslo_config import cfg
from oslo_utils import strutils

from cinder.conf import options

LOG = logging.getLogger(__name__)

# Ours; those of libraries are told by their names, as their logs tell them.
_SECRET = frozenset(opt.dest for opts in options.BY_GROUP.values() for opt in opts if opt.secret)
_URL_WITH_PASSWORD = re.compile(r'://[^/\s@]*:[^/\s@]+@')


class Exposure(NamedTuple):
    """What is wrong with a file, as a sentence, and whether that gives the service away."""

    text: str
    grave: bool


def warn(conf: cfg.ConfigOpts) -> None:
    """Put every exposure into the log, the grave ones as errors."""
    for text, grave in exposures(conf):
        LOG.log(logging.ERROR if grave else logging.WARNING, 'Not safe: %s', text)


def exposures(conf: cfg.ConfigOpts) -> list[Exposure]:
    """What others may do with the files of this configuration, the worst first.

    :param conf: a parsed configuration
    """
    found = [*_writable(conf), *_readable(conf)]
    return sorted(found, key=lambda each: not each.grave)


def _writable(conf: cfg.ConfigOpts) -> Iterator[Exposure]:
    for path in dict.fromkeys((*_configuration(conf), *_others(conf))):
        if _mode(path) & stat.S_IWOTH:
            yield Exposure(f'EVERY USER OF THIS HOST CAN CHANGE {path}, and with it decide what '
                           f'this service does and for whom: chmod o-w {path}', True)
        folder = os.path.dirname(os.path.abspath(path))
        mode = _mode(folder)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            yield Exposure(f'EVERY USER OF THIS HOST CAN REPLACE {path}: chmod o-w {folder}', True)


def _readable(conf: cfg.ConfigOpts) -> Iterator[Exposure]:
    for path in _configuration(conf):
        secrets = sorted(_secrets(path)) if _mode(path) & stat.S_IROTH else ()
        if secrets:
            yield Exposure(f'every user of this host can read {path}, which holds '
                           f'{", ".join(secrets)}: chmod o-rwx {path}', False)
    key = conf.ssl.key_file if 'ssl' in conf and 'key_file' in conf.ssl else None
    if key and _mode(key) & stat.S_IROTH:
        yield Exposure(f'every user of this host can read the key {key}: chmod o-rwx {key}', False)


def _configuration(conf: cfg.ConfigOpts) -> Iterator[str]:
    yield from conf.config_file or ()
    for folder in conf.config_dir or ():
        yield from sorted(glob.glob(os.path.join(folder, '*.conf')))


def _others(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Files that decide who may do what, where they are used and there."""
    names = [conf.api_paste_config] if 'api_paste_config' in conf else []
    if 'oslo_policy' in conf:
        names.append(conf.oslo_policy.policy_file)
    for name in filter(None, names):
        path = name if os.path.isabs(name) else conf.find_file(name)
        if path and os.path.exists(path):
            yield path


def _secrets(path: str) -> Iterator[str]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except (OSError, cfg.ParseError):
        return
    for group, settings in sections.items():
        for name, values in settings.items():
            if any(_is_secret(name, value) for value in values):
                yield f'[{group}] {name}'


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
