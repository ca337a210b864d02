# SPDX-License-Identifier: Apache-2.0
"""What list requests mean."""
import pytest

from cinder import exception
from cinder.api import converters, listings
from cinder.conf import CONF
from tests.unit.api.conftest import request

LIST = listings.Listing('volume', sorts={'id': 'id', 'name': 'display_name'}, counts=True,
                        filters={'name': listings.Filter(),
                                 'size': listings.Filter(converters.integer),
                                 'group_id': listings.Filter(since=10),
                                 'kind': listings.Filter(column='sort_of')})


def read(query='', **kwargs):
    return LIST.criteria(request(query, **kwargs))


def test_defaults():
    assert read() == listings.Criteria({}, CONF.osapi_max_limit, None, 0,
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
