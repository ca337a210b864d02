# SPDX-License-Identifier: Apache-2.0
"""The file of log_config_append is looked at before it is loaded."""
import threading

import pytest
from oslo_context import context
from oslo_log import log

from cinder.conf import CONF, log_config

WHOLE = '[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n'


@pytest.mark.parametrize(('content', 'words'), [
    (WHOLE, None), (None, 'No such file'), ('x', 'no section headers'), ('[loggers]\n', 'handlers'),
    (b'\xff', 'utf-8')])
def test_log_config(tmp_path, monkeypatch, content, words):
    monkeypatch.setattr(CONF, '_args', None)
    log.register_options(CONF)
    path = tmp_path / 'logging.ini'
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    CONF.set_override('log_config_append', str(path))
    try:
        found = [problem.text for problem in log_config.check(CONF)]
    finally:
        CONF.clear_override('log_config_append')
    assert len(found) == bool(words)
    if words:
        assert f'log_config_append = {path}' in found[0] and words in found[0]


@pytest.mark.parametrize(('name', 'value', 'words'), [
    (None, None, None), ('logging_default_format_string', '%(asctime)s %(message)s', None),
    ('logging_default_format_string', '%(no)s', 'logging_default_format_string'),
    ('logging_default_format_string', '99', 'logging_default_format_string has no %(message)s'),
    ('logging_context_format_string', '%(message)s %(pigeon)d', 'logging_context_format_string'),
    ('logging_context_format_string', '%(name)s', 'format_string has no %(message)s'),
    ('logging_user_identity_format', '%(user)d', 'logging_user_identity_format'),
    ('logging_exception_prefix', '%(no)s', 'logging_exception_prefix'),
    ('logging_debug_format_suffix', '%(no)s', 'logging_debug_format_suffix')])
def test_formats(monkeypatch, name, value, words):
    monkeypatch.setattr(CONF, '_args', None)
    monkeypatch.setattr(context, '_request_store', threading.local())
    log.register_options(CONF)
    if name:
        CONF.set_override(name, value)
    try:
        found = [problem.text for problem in log_config.check_formats(CONF)]
    finally:
        if name:
            CONF.clear_override(name)
    assert len(found) == bool(words)
    assert context.get_current() is None
    if words:
        assert words in found[0] and '\n' not in found[0]
