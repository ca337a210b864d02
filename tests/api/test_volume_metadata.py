# SPDX-License-Identifier: Apache-2.0
"""/volumes/{id}/metadata: all keys and single ones, etags from 3.15."""
import hashlib

import pytest

from cinder.db import volumes as volumes_db
from tests.fakes.daemons import ADMIN


@pytest.fixture
def path(volume):
    return f"/volumes/{volume['id']}/metadata"


def test_merge_replace_and_remove(api, path):
    assert api.post(path, {'metadata': {'a': 'b'}}).json == {'metadata': {'k': 'v', 'a': 'b'}}
    assert api.put(path + '/a', {'meta': {'a': 'c'}}).json == {'meta': {'a': 'c'}}
    assert api.get(path + '/a').json == {'meta': {'a': 'c'}}
    answer = api.delete(path + '/a')
    assert (answer.status, answer.body) == (200, b'')
    assert api.put(path, {'metadata': {'z': 'y'}}).json == {'metadata': {'z': 'y'}}
    assert api.get(path, mv='3.14').json == {'metadata': {'z': 'y'}}
    assert api.put(path, {'metadata': {}}).json == {'metadata': {}}


def test_keys_may_hold_spaces_and_colons(api, path):
    assert api.put(path + '/a b:c.d-e', {'meta': {'a b:c.d-e': 'x'}}).status == 200
    assert api.get(path + '/a b:c.d-e').json == {'meta': {'a b:c.d-e': 'x'}}


@pytest.mark.parametrize('metadata', [
    None, 'x', [], {'k': 1}, {'k': None}, {'k' * 256: 'v'}, {'k': 'v' * 256}, {'': 'v'},
    {'k?': 'v'}, {'k\n': 'v'}, {'k': {'a': 'b'}}, {'k': '\0'}])
def test_bad_metadata(api, path, metadata):
    api.post(path, {'metadata': metadata}).fault(400)
    api.put(path, {'metadata': metadata}).fault(400)


def test_bodies_hold_nothing_else(api, path):
    api.post(path, {'metadata': {}, 'other': 1}).fault(400)
    api.post(path, {}).fault(400)
    for meta in ({'q': 'r'}, {'z': '1', 'q': 'r'}, {}):
        api.put(path + '/z', {'meta': meta}).fault(400)


def test_unknown_things_are_named(api, path, nobody):
    assert 'none' in api.get(path + '/none').fault(404)
    assert 'none' in api.delete(path + '/none').fault(404)
    for method, tail, body in (('GET', '', None), ('POST', '', {'metadata': {}}),
                               ('PUT', '', {'metadata': {}}), ('GET', '/k', None),
                               ('PUT', '/k', {'meta': {'k': 'v'}}), ('DELETE', '/k', None)):
        answer = api.request(method, f'/volumes/{nobody}/metadata{tail}', body)
        assert nobody in answer.fault(404)


def test_etag_from_3_15(api, path):
    assert 'Etag' not in api.get(path, mv='3.14').headers
    answer = api.get(path, mv='3.15')
    assert answer.headers['Etag'] == hashlib.md5(answer.body).hexdigest()
    assert answer.headers['Content-Type'].startswith('text/html')
    assert api.get(path, mv='3.14').headers['Content-Type'] == 'application/json'


@pytest.mark.parametrize('form', ['%s', '"%s"', 'W/"%s"', '"0123", "%s"', '*'])
def test_if_match_of_the_present_metadata(api, path, form):
    form = form % api.get(path).headers['Etag'] if '%' in form else form
    assert api.put(path, {'metadata': {'a': 'b'}}, headers={'If-Match': form}).status == 200


@pytest.mark.parametrize('tail, body', [('', {'metadata': {'k': 'w'}}),
                                        ('/k', {'meta': {'k': 'w'}})])
def test_if_match_of_other_metadata(api, path, tail, body):
    stale = {'If-Match': '"0123"'}
    answer = api.put(path + tail, body, headers=stale, mv='3.15')
    assert (answer.status, answer.body) == (412, b'')
    assert api.get(path).json == {'metadata': {'k': 'v'}}
    assert api.put(path + tail, body, headers=stale, mv='3.14').status == 200


def test_states_and_roles(api, reader, volume, path):
    assert reader.get(path).status == 200
    reader.post(path, {'metadata': {}}).fault(403)
    reader.put(path, {'metadata': {}}).fault(403)
    reader.delete(path + '/k').fault(403)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'uploading'})
    assert 'uploading' in api.delete(path + '/k').fault(400)
    api.post(path, {'metadata': {}}).fault(400)
