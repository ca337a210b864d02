# SPDX-License-Identifier: Apache-2.0
"""What doc/source/security.rst promises: the tests that it names exist, the numbers are right."""
import pathlib
import re

import pytest
from eventlet import wsgi

from cinder.api.middleware import ratelimit, sizelimit  # noqa: F401 - registers its option
from cinder.conf import CONF

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / 'doc/source/security.rst').read_text()


@pytest.mark.parametrize('named', sorted(set(re.findall(r'``(tests/[^`]+)``', PAGE))))
def test_a_test_that_is_named_exists(named):
    path, _, name = named.partition('::')
    text = (ROOT / path).read_text()
    assert re.search(rf'^ *def {name}\(' if name else '^ *def test_', text, re.MULTILINE)


def test_limits():
    assert f'over {CONF.oslo_middleware.max_request_body_size:,}' in PAGE
    assert f'over {wsgi.MAX_REQUEST_LINE - 1}' in PAGE
    assert f'at most {ratelimit.MOST:,} callers' in PAGE
