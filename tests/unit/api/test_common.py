# SPDX-License-Identifier: Apache-2.0
"""What list requests mean, and where links point to."""
import json

import pytest

from cinder import context, exception
from cinder.api import common, dispatch, filters, wsgi
from cinder.conf import CONF

LIST = common.Listing('volume', sorts={'id': 'id', 'name': 'display_name'}, counts=True,
                      filters={'name': common.Filter(), 'size': common.Filter(common.integer),
                               'group_id': common.Filter(since=10),
                               'kind': common.Filter(column='sort_of')})

ROUTER = dispatch.Router(['/volumes/{volume_id}'])


def request(query='', version=71, admin=False, **environ):
    req = wsgi.Request({
        'REQUEST_METHOD': 'GET', 'QUERY_STRING': query, 'wsgi.url_scheme': 'http',
        'HTTP_HOST': 'h:1', 'SCRIPT_NAME': '/v3', 'PATH_INFO': '/p1/volumes', **environ})
    req.router = ROUTER
    req.api_version = version
    req.url_project = 'p1'
    req.context = context.RequestContext(is_admin=admin, project_id='p1', overwrite=False)
    return req


def read(query='', **kwargs):
    return LIST.criteria(request(query, **kwargs))


def test_defaults():
    assert read() == common.Criteria({}, CONF.osapi_max_limit, None, 0,
                                     [('created_at', 'desc')], False, False)


@pytest.mark.parametrize(('query', 'sort'), [
    ('sort=id', [('id', 'desc')]),
    ('sort=name:asc,id:desc', [('display_name', 'asc'), ('id', 'desc')]),
    ('sort_key=name&sort_dir=asc', [('display_name', 'asc')]),
    ('sort_dir=asc', None), ('sort=', None), ('sort=zz', None), ('sort=id:up', None),
    ('sort=id&sort_dir=asc', None)])
def test_sort(query, sort):
    if sort is None:
        with pytest.raises(exception.InvalidInput):
            read(query)
    else:
        assert read(query).sort == sort


def test_limit_is_cut_to_the_maximum():
    assert read('limit=5').limit == 5
    assert read('limit=99999999').limit == CONF.osapi_max_limit
    assert read('limit=0').limit == 0


@pytest.mark.parametrize(('version', 'query', 'found'), [
    (71, 'name=n', {'name': 'n'}), (71, 'name~=n', {'name~': 'n'}), (71, 'size=5', {'size': 5}),
    (9, 'group_id=1', {}), (10, 'group_id=1', {'group_id': '1'}),
    (30, 'zz=1', {}), (31, 'zz=1', None), (31, 'kind=1', None), (30, 'kind=1', {'sort_of': '1'}),
    (33, 'name~=n', None), (30, 'name~=n', {}), (44, 'with_count=1', None)])
def test_filters_of_users(version, query, found):
    if found is None:
        with pytest.raises(exception.InvalidInput):
            read(query, version=version)
    else:
        assert read(query, version=version).filters == found


def test_filters_of_administrators():
    assert read('zz=1&kind=2', admin=True).filters == {'zz': '1', 'sort_of': '2'}


def test_all_tenants_is_for_administrators():
    assert read('all_tenants=1', admin=True).all_tenants is True
    assert read('all_tenants=1').all_tenants is False
    with pytest.raises(exception.InvalidParameterValue):
        read('all_tenants=zz')


def test_with_count():
    assert read('with_count=on').with_count is True
    assert read('with_count=off').with_count is False


def test_next_link_leaves_the_offset_out():
    href = common.next_link(request('limit=2&offset=5&name=a b'), 'm1')
    assert href == 'http://h:1/v3/p1/volumes?limit=2&name=a+b&marker=m1'


@pytest.mark.parametrize(('mount', 'project', 'own'), [
    ('/v3', 'p1', 'http://h:1/v3/p1/volumes/1'), ('/v3', None, 'http://h:1/v3/volumes/1'),
    ('/block/v3', 'p1', 'http://h:1/block/v3/p1/volumes/1')])
def test_links(mount, project, own):
    req = request(SCRIPT_NAME=mount)
    req.url_project = project
    first, second = common.links(req, 'volumes', '1')
    assert first == {'rel': 'self', 'href': own}
    assert second == {'rel': 'bookmark', 'href': own.replace('/v3', '', 1)}


@pytest.mark.parametrize('word', ['1', 't', 'True', 'ON', 'yes', 'y'])
def test_true(word):
    assert common.boolean('n', word) is True


@pytest.mark.parametrize('word', ['0', 'f', 'False', 'OFF', 'no', 'n'])
def test_false(word):
    assert common.boolean('n', word) is False


def test_configured_filters(tmp_path):
    file = tmp_path / 'filters.json'
    file.write_text(json.dumps({'volume': ['size']}))
    assert filters.load(str(file)) == {'volume': ('size',)}


@pytest.mark.parametrize('content', ['{', '[]', '{"volume": 5}'])
def test_broken_filter_file(tmp_path, content):
    file = tmp_path / 'filters.json'
    file.write_text(content)
    assert filters.load(str(file)) == filters.BUILT_IN
