# SPDX-License-Identifier: Apache-2.0
"""The page of the documentation that lists the API."""
import re

from cinder.api import microversions as mv
from cinder.api import openapi
from cinder.api.v3 import router
from tools import api_page


def test_every_operation_has_its_row():
    rows = api_page.page(router.ROUTES).split('   * - ')
    for each in openapi.list_operations(router.ROUTES):
        action = f' **{each.action}**' if each.action else ''
        begin = f'``{each.method} {each.path}``{action}'
        row, = (row for row in rows if row == begin or re.match(
            re.escape(begin) + (r'\s' if action else r'\s(?!\*\*)'), row))
        _operation, version, policy, codes = row.split('\n     -')[:4]
        assert mv.text(each.spec.since) in version
        assert re.findall('``(.*?)``', policy) == list(each.rules)
        assert str(each.spec.status) in codes
        assert all(str(code) in codes for code in each.spec.errors
                   if code not in openapi.ALWAYS | openapi.WITH_BODY)


def test_every_microversion_is_told():
    text = api_page.page(router.ROUTES)
    assert all(change in text for change in mv.HISTORY.values())
