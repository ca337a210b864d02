# SPDX-License-Identifier: Apache-2.0
"""Views: which fields, for whom, since when, and how fast."""
import time

import pytest

from cinder import context
from cinder.api import dispatch, listings, wsgi
from cinder.api.views.base import OMIT, Field, View, links

VIEW = View('thing', 'things', [
    Field('id'), Field('name', 'display_name'), Field('new', 'size', since=10),
    Field('old', 'size', until=9), Field('secret', 'host', policy='admin_api'),
    Field('maybe', lambda _req, row: row['size'] or OMIT), Field('links', links('things')),
], 'things_links')
ROW = {'id': '1', 'display_name': 'n', 'size': 5, 'host': 'h'}


def request(version=10, admin=True):
    req = wsgi.Request({'REQUEST_METHOD': 'GET', 'wsgi.url_scheme': 'http', 'HTTP_HOST': 'h',
                        'SCRIPT_NAME': '/v3', 'PATH_INFO': '/things', 'QUERY_STRING': ''})
    req.router = dispatch.Router(['/things/{thing_id}'])
    req.api_version = version
    req.context = context.RequestContext(is_admin=admin, project_id='p', overwrite=False)
    return req


def test_one():
    assert VIEW.one(request(), ROW) == {'thing': {
        'id': '1', 'name': 'n', 'new': 5, 'secret': 'h', 'maybe': 5, 'links': [
            {'rel': 'self', 'href': 'http://h/v3/things/1'},
            {'rel': 'bookmark', 'href': 'http://h/things/1'}]}}


@pytest.mark.parametrize(('version', 'admin', 'extra'), [
    (9, True, {'old', 'secret'}), (9, False, {'old'}), (10, True, {'new', 'secret'}),
    (10, False, {'new'})])
def test_versions_and_rights(version, admin, extra):
    shown = VIEW.one(request(version, admin), ROW)['thing']
    assert set(shown) == {'id', 'name', 'maybe', 'links'} | extra


def test_omitted():
    assert 'maybe' not in VIEW.one(request(), {**ROW, 'size': 0})['thing']


def test_page():
    rows = [ROW, {**ROW, 'id': '2'}]
    page = VIEW.page(request(), listings.Rows(rows, 7, True))
    assert [each['id'] for each in page['things']] == ['1', '2']
    assert page['count'] == 7
    assert page['things_links'] == [{'rel': 'next', 'href': 'http://h/v3/things?marker=2'}]
    assert set(VIEW.page(request(), listings.Rows(rows))) == {'things'}


def test_renderer_is_made_once():
    assert VIEW.renderer(request()) is VIEW.renderer(request())
    assert VIEW.renderer(request()) is not VIEW.renderer(request(admin=False))


@pytest.mark.parametrize('fields', [[], [Field('id')]])
def test_narrow_views(fields):
    assert View('t', 't', fields).one(request(), ROW)['t'] == ({'id': '1'} if fields else {})


def test_a_page_costs_little():
    wide = View('t', 't', [Field(f'f{number}') for number in range(35)])
    rows = [{f'f{number}': number for number in range(35)}] * 1000
    req = request()
    best = min(_seconds(wide, req, rows) for _ in range(5))
    assert best < 0.05  # some 4 ms; a view that looks at versions per row takes ten times this


def _seconds(view, req, rows):
    start = time.process_time()
    view.page(req, listings.Rows(rows))
    return time.process_time() - start
