# SPDX-License-Identifier: Apache-2.0
"""Lines of the log: a warning in an exception handler tells what went wrong once, and no secret."""

import logging

import pytest
from oslo_config import cfg
from oslo_log import log

from cinder.conf import logs

TEXT = 'amqp://cinder:SESAME@host/ is not there'


@pytest.fixture
def line():
    """What becomes of a message while an exception is handled."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    formatter = logs.Formatter(config=conf, project='cinder', version='1')

    def line(message, *arguments, level=logging.WARNING, exc_info=None, raised=None):
        try:
            raise raised or RuntimeError(TEXT)
        except Exception as exc:
            record = logging.LogRecord('cinder', level, __file__, 1, message, arguments,
                                       exc_info and (type(exc), exc, None))
            return formatter.format(record)
    return line


@pytest.mark.parametrize('exc_info', [None, True])
def test_what_the_message_says_is_not_said_again(line, exc_info):
    said = line('Not now: %s', TEXT.replace('SESAME', '***'), exc_info=exc_info).split('\n')[0]
    assert said.endswith(f'Not now: {TEXT.replace("SESAME", "***")}')


def test_what_it_does_not_say_is_added_without_passwords(line):
    assert line('Not now.').endswith(
        'Not now.: RuntimeError: amqp://cinder:***@host/ is not there')


def test_many_lines_become_one(line):
    raised = RuntimeError('first\n  second')
    assert line('No', raised=raised).endswith('No: RuntimeError: first')
    assert line('No: %s', 'first second', raised=raised).endswith('No: first second')


def test_an_exception_without_a_text_is_named(line):
    assert line('No', raised=TimeoutError()).endswith('No: TimeoutError')


def test_below_a_warning_nothing_is_added(line):
    assert line('Fine', level=logging.INFO).endswith('Fine')


def test_it_is_what_the_programs_log_with():
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.setup(conf, '1')
        assert any(isinstance(handler.formatter, logs.Formatter) for handler in root.handlers)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
