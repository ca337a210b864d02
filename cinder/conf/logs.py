# SPDX-License-Identifier: Apache-2.0
"""How the log of every program looks: the levels of the libraries, and no text twice in a line.
What is logged is the business of whoever logs it."""

import logging

from oslo_config import cfg
from oslo_log import formatters, log

from cinder import utils

# Libraries that say at INFO what this service says too, or warn of what is no trouble: alembic of
# each step, oslo.service of the address and of each stop, amqp of a channel that is being closed.
# oslo.db logs a traceback for each error that it hands on, also for those that we answer.
LEVELS = ('alembic=WARN', 'amqp=ERROR', 'oslo.service.wsgi=WARN',
          'oslo_db.sqlalchemy.exc_filters=CRITICAL')


def set_defaults() -> None:
    """Set the levels, before a configuration is read that may set others."""
    log.set_defaults(default_log_levels=[*log.get_default_log_levels(), *LEVELS])


def setup(conf: cfg.ConfigOpts, version: str) -> None:
    """Log as the options say.

    :param conf: a parsed configuration
    :param version: of this program
    """
    log.setup(conf, 'cinder', version)
    for handler in logging.getLogger().handlers:
        if type(handler.formatter) is formatters.ContextFormatter:
            handler.setFormatter(Formatter(datefmt=handler.formatter.datefmt, config=conf,
                                           project='cinder', version=version))


class Formatter(formatters.ContextFormatter):
    """That of oslo.log, which adds to a warning or error what the exception at hand says: without
    what the message said already, in one line, and without passwords."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        summary = record.error_summary  # type: ignore[attr-defined] # oslo.log's
        if summary in ('', '-'):
            return text
        shown = _one_line(utils.masked(summary))
        reason = shown.partition(': ')[2]
        said = _one_line(record.message)
        ending = '' if reason and reason in said else f': {shown}'
        return text.replace(f'{record.message}: {summary}', record.message + ending, 1)


def _one_line(text: str) -> str:
    return ' '.join(text.split())
