# SPDX-License-Identifier: Apache-2.0
"""Default volume types of projects, over HTTP. All of it is 3.62."""
import pytest

from tests.api.client import PROJECT

OTHER = 'f' * 32
URL = f'/default-types/{PROJECT}'


@pytest.fixture
def gold(api):
    return api.post('/types', {'volume_type': {'name': 'gold'}}).json['volume_type']['id']


def _set(api, name, project=PROJECT):
    return api.put(f'/default-types/{project}', {'default_type': {'volume_type': name}})


def test_set_by_name_or_id(api, gold):
    expected = {'default_type': {'project_id': PROJECT, 'volume_type_id': gold}}
    for name in ('gold', gold):
        assert _set(api, name).json == expected
        assert api.get(URL).json == expected


def test_list(api, gold):
    assert api.get('/default-types').json == {'default_types': []}
    for project in (OTHER, PROJECT):
        _set(api, gold, project)
    assert api.get('/default-types').json == {'default_types': [
        {'project_id': project, 'volume_type_id': gold} for project in (PROJECT, OTHER)]}


def test_unset(api, gold):
    _set(api, gold)
    assert (api.delete(URL).status, api.delete(URL).status) == (204, 404)
    assert PROJECT in api.get(URL).fault(404)


def test_new_volumes_of_the_project_get_it(api, gold):
    _set(api, gold, OTHER)

    def made():
        body = {'volume': {'size': 1}}
        return api.post('/volumes', body).json['volume']['volume_type']
    assert made() == '__DEFAULT__'
    _set(api, gold)
    assert made() == 'gold'
    assert api.get('/types/default').json['volume_type']['name'] == 'gold'


def test_a_private_type_serves_too(api):
    api.post('/types', {'volume_type': {'name': 'own', 'os-volume-type-access:is_public': False}})
    _set(api, 'own')
    member = api.as_roles('member,reader')
    assert member.post('/volumes', {'volume': {'size': 1}}).json['volume']['volume_type'] == 'own'


def test_a_default_is_not_deleted(api, gold):
    _set(api, gold)
    assert 'default' in api.delete(f'/types/{gold}').fault(400)
    api.delete(URL)
    assert api.delete(f'/types/{gold}').status == 202


@pytest.mark.parametrize('body', [
    {}, {'zz': {}}, {'default_type': 'gold'}, {'default_type': {}},
    {'default_type': {'volume_type': 5}}, {'default_type': {'volume_type': ' '}},
    {'default_type': {'volume_type': 'gold', 'zz': 1}},
    {'default_type': {'volume_type': 'no-such-type'}}])
def test_bad_bodies(api, gold, body):
    api.put(URL, body).fault(400)


def test_overlong_project(api, gold):
    _set(api, gold, 'p' * 256).fault(400)


def test_admin_only(member):
    for call in (member.get('/default-types'), member.get(URL), member.delete(URL),
                 _set(member, 'gold')):
        call.fault(403)


def test_gate(api):
    for method, path in (('GET', ''), ('GET', f'/{PROJECT}'), ('DELETE', f'/{PROJECT}')):
        api.request(method, f'/default-types{path}', mv='3.61').fault(404)
