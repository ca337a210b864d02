# SPDX-License-Identifier: Apache-2.0
"""Log format and levels of every program: levels of the libraries, and no duplicate text in a line.
"""

import logging

from oslo_config import cfg
from oslo_log import formatters, log

from cinder import masking

# Libraries that log what this service logs itself, or warn without need: alembic logs each step,
# oslo.service the address and each stop, amqp the closing of a channel, oslo.db a traceback for
# each error that it raises, even if it is handled here.
LEVELS = ('alembic=WARN', 'amqp=ERROR', 'oslo.service.wsgi=WARN',
          'oslo_db.sqlalchemy.exc_filters=CRITICAL')


def set_defaults() -> None:
    """Set the default levels, before a configuration is read that may set others."""
    log.set_defaults(default_log_levels=[*log.get_default_log_levels(), *LEVELS])


def setup(conf: cfg.ConfigOpts, version: str) -> None:
    """Set up logging as configured.

    :param conf: a parsed configuration
    :param version: version of the program
    """
    log.setup(conf, 'cinder', version)
    for handler in logging.getLogger().handlers:
        if type(handler.formatter) is formatters.ContextFormatter:
            handler.setFormatter(Formatter(datefmt=handler.formatter.datefmt, config=conf,
                                           project='cinder', version=version))


class Formatter(formatters.ContextFormatter):
    """The formatter of oslo.log, which appends the current exception to warnings and errors: in one
    line, without passwords, and not if the message already contains it."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        summary = record.error_summary  # type: ignore[attr-defined] # oslo.log's
        if summary in ('', '-'):
            return text
        shown = _one_line(masking.masked(summary))
        reason = shown.partition(': ')[2]
        said = _one_line(record.message)
        ending = '' if reason and reason in said else f': {shown}'
        return text.replace(f'{record.message}: {summary}', record.message + ending, 1)


def _one_line(text: str) -> str:
    return ' '.join(text.split())
