# SPDX-License-Identifier: Apache-2.0
"""A module in whose place something stands until it is used."""
import importlib
import sys

from cinder import lazy_import


def test_a_module_is_loaded_by_the_first_use(tmp_path, monkeypatch):
    (tmp_path / 'lazy_example.py').write_text('VALUE = 7\n')
    monkeypatch.syspath_prepend(tmp_path)
    lazy_import.load_when_used('lazy_example')
    try:
        module = importlib.import_module('lazy_example')
        assert 'VALUE' not in vars(module)
        assert module.VALUE == 7
        assert vars(sys.modules['lazy_example'])['VALUE'] == 7
        assert module.VALUE == 7
    finally:
        del sys.modules['lazy_example']
