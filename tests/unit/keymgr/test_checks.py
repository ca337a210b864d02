# SPDX-License-Identifier: Apache-2.0
"""A key manager that cannot be made is told at the start, where one is configured."""
import pytest
from oslo_config import cfg

from cinder.conf import CONF
from cinder.keymgr import checks, keys


@pytest.mark.parametrize(('section', 'words'), [
    ({}, None), ({'fixed_key': 'ab' * 32}, None),
    ({'backend': 'no.such.Manager'}, 'no.such.Manager'),
    ({'fixed_key': 'nonsense'}, 'hex')])
def test_key_manager(monkeypatch, section, words):
    keys.backend()
    monkeypatch.setattr(cfg.ConfigOpts, 'list_all_sections', lambda _conf: ['key_manager'])
    for name, value in section.items():
        CONF.set_override(name, value, 'key_manager')
    try:
        found = [problem.text for problem in checks.check(CONF)]
    finally:
        for name in section:
            CONF.clear_override(name, 'key_manager')
    assert len(found) == bool(words)
    if words:
        assert words in found[0] and '\n' not in found[0]


def test_castellan_is_left_alone_where_nothing_is_configured(monkeypatch):
    monkeypatch.setattr(cfg.ConfigOpts, 'list_all_sections', lambda _conf: ['database'])
    monkeypatch.setattr(keys, 'manager', None)
    assert list(checks.check(CONF)) == []
