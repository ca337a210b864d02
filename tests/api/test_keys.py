# SPDX-License-Identifier: Apache-2.0
"""Keys and names in paths: every route that ends in one takes every character, plain and encoded.
Made from the table of routes."""
import json
import urllib.parse

import pytest

from cinder.api import dispatch
from cinder.api.v3 import router
from cinder.db import types as types_db
from tests.fakes.daemons import ADMIN

PLACES = [path for path in router.ROUTES
          if path.rpartition('/')[2].strip('{}') in dispatch.NAMES]
# Routes whose keys clients choose -> what stands around a value in a body, or None.
FREE = {'/volumes/{volume_id}/metadata/{key}': 'meta',
        '/snapshots/{snapshot_id}/metadata/{key}': 'meta',
        '/types/{type_id}/extra_specs/{key}': None,
        '/group_types/{group_type_id}/group_specs/{key}': None}
FIXED = {'/volumes/{volume_id}/encryption/{key}', '/types/{type_id}/encryption/{key}',
         '/os-quota-class-sets/{quota_class_name}', '/os-hosts/{host_name}',
         '/clusters/{cluster_name}', '/capabilities/{host_name}'}
GOOD = ('k', 'velero.io/backup', 'cinder.csi.openstack.org/cluster', 'a/b/c', '/a', 'a/', 'a//b',
        'http://x.y/z', 'config.json', 'a/b.json', 'metadata/k', '.', 'a/../b', '-_:.')
# Ones that no body may name, so nothing has them.
BAD = ('100%', 'a%2Fb', 'a;b', 'a?b=c', 'a#b', 'ä/ö', '\u4e2d', "a'b", 'a+b', 'a&b', 'a\nb')


@pytest.fixture
def place(world):
    """The path and the name of a route in the world."""
    names = {'volume_id': 'volume', 'snapshot_id': 'snapshot', 'group_type_id': 'kind',
             'type_id': 'other'}

    def place(route):
        path = route.rpartition('/')[0]
        for placeholder, name in names.items():
            path = path.replace(f'{{{placeholder}}}', world.ids[name])
        return path
    return place


def _forms(key):
    return {urllib.parse.quote(key, safe='/:'), urllib.parse.quote(key, safe='')}


def test_every_route_is_named_here():
    assert set(PLACES) == set(FREE) | FIXED
    assert not [path for path in router.ROUTES if '{key}/' in path], 'a key ends its path'


@pytest.mark.parametrize('key', GOOD)
@pytest.mark.parametrize('route', FREE)
def test_set_read_and_delete(world, place, route, key):
    api, wrapper = world.api, FREE[route]
    for form in _forms(key):
        path = f'{place(route)}/{form}'
        pair = {key: 'v'}
        answer = api.put(path, {wrapper: pair} if wrapper else pair)
        assert answer.status == 200, answer.body
        for _each in range(2):
            answer = api.get(path)
            assert (answer.json[wrapper] if wrapper else answer.json) == pair
        assert key in json.dumps(api.get(place(route)).json)
        assert api.delete(path).status in (200, 202)
        api.get(path).fault(404)
        api.delete(path).fault(404)


@pytest.mark.parametrize('key', BAD)
@pytest.mark.parametrize('route', FREE)
def test_what_no_key_is(world, place, route, key):
    api, wrapper = world.api, FREE[route]
    path = f'{place(route)}/{urllib.parse.quote(key, safe="")}'
    assert key in api.get(path).fault(404)
    assert key in api.delete(path).fault(404)
    pair = {key: 'v'}
    api.put(path, {wrapper: pair} if wrapper else pair).fault(400)


@pytest.mark.parametrize('key', GOOD + BAD)
@pytest.mark.parametrize('route', sorted(FIXED))
def test_other_names(world, place, route, key):
    """They answer as the resource does, and never that there is no such path."""
    types_db.get(ADMIN, world.ids['other'])
    for form in _forms(key):
        answer = world.api.get(f'{place(route)}/{form}')
        assert answer.json is not None, answer.body
        assert answer.status in (200, 404) if 'hosts' not in route else (200, 400, 404)
