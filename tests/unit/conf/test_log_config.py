# SPDX-License-Identifier: Apache-2.0
"""The file of log_config_append is looked at before it is loaded."""
import pytest
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
