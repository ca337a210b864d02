# SPDX-License-Identifier: Apache-2.0
"""The filters that an operator's file allows."""
import json

import pytest

from cinder.api import filters


def test_configured_filters(tmp_path):
    file = tmp_path / 'filters.json'
    file.write_text(json.dumps({'volume': ['size']}))
    assert filters.load_file(str(file)) == {'volume': ('size',)}


@pytest.mark.parametrize('content', ['{', '[]', '{"volume": 5}'])
def test_broken_filter_file(tmp_path, content):
    file = tmp_path / 'filters.json'
    file.write_text(content)
    assert filters.load_file(str(file)) == filters.BUILT_IN
