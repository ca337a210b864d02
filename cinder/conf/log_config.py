# SPDX-License-Identifier: Apache-2.0
"""Checks the formats of log lines, and the file of log_config_append as far as it can be checked
without loading it. Other errors in that file, such as a missing class, stop the service later."""

import configparser
import logging
import sys
from collections.abc import Iterator

from oslo_config import cfg
from oslo_context import context
from oslo_log import formatters

from cinder import failures
from cinder.conf.problem import Problem

_SECTIONS = ('loggers', 'handlers', 'formatters')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the file exists, is an INI file and has the required sections."""
    path = conf.log_config_append if 'log_config_append' in conf else None
    reason = _unusable(path) if path else None
    if reason:
        yield Problem(f'[DEFAULT] log_config_append = {path} cannot be used: {reason}')


# No part of any format.
_MESSAGE = 'the message of a line'


class _Context(context.RequestContext):
    """A context that does not become the context of this thread."""

    def update_store(self) -> None:
        """Do nothing; the base class stores the context in the thread."""


def check_formats(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the formats: one with an unknown name would log a traceback instead of each line, and
    one without the message would log nothing of it."""
    if 'logging_default_format_string' not in conf:
        return
    try:
        raise ValueError
    except ValueError:
        failure = sys.exc_info()
    for level, about, who, options in (
            (logging.INFO, None, None, ('logging_default_format_string',)),
            (logging.INFO, None, _Context(),
             ('logging_context_format_string', 'logging_user_identity_format')),
            (logging.DEBUG, None, None, ('logging_debug_format_suffix',)),
            (logging.ERROR, failure, None, ('logging_exception_prefix',))):
        record = logging.LogRecord('cinder', level, 'file', 1, _MESSAGE, None, about, 'function')
        record.context = who
        try:
            line = formatters.ContextFormatter(
                config=conf, project='cinder', version='',
                datefmt=conf.log_date_format).format(record)
        except (KeyError, ValueError, TypeError, IndexError) as exc:
            yield Problem(f'[DEFAULT] {" or ".join(options)} cannot be used: '
                          f'{failures.one_line(exc).rstrip(".")}; expected %(NAME)s with the '
                          'attribute names of log records.')
            return
        if _MESSAGE not in line:
            yield Problem(f'[DEFAULT] {options[0]} has no %(message)s, without which the log says '
                          'nothing: add it.')
            return


def _unusable(path: str) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
    except (OSError, ValueError, configparser.Error) as exc:
        return getattr(exc, 'strerror', None) or failures.one_line(exc)
    missing = [name for name in _SECTIONS if not parser.has_section(name)]
    return f'it has no section [{missing[0]}].' if missing else None
