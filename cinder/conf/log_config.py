# SPDX-License-Identifier: Apache-2.0
"""Whether the file of log_config_append can be what logging.config reads. What only loading it
shows, such as a class that does not exist, ends the start as well, later."""

import configparser
from collections.abc import Iterator

from oslo_config import cfg

from cinder import utils
from cinder.conf.problem import Problem

_SECTIONS = ('loggers', 'handlers', 'formatters')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """The file is there, is an INI file, and has the sections that it must have."""
    path = conf.log_config_append if 'log_config_append' in conf else None
    reason = _unusable(path) if path else None
    if reason:
        yield Problem(f'[DEFAULT] log_config_append = {path} cannot be used: {reason}')


def _unusable(path: str) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
    except (OSError, ValueError, configparser.Error) as exc:
        return getattr(exc, 'strerror', None) or utils.one_line(exc)
    missing = [name for name in _SECTIONS if not parser.has_section(name)]
    return f'it has no section [{missing[0]}].' if missing else None
