# SPDX-License-Identifier: Apache-2.0
"""Volume types, their extra specs, access and encryption, over HTTP."""
import pytest

from tests.api.client import PROJECT

ENCRYPTION = {'provider': 'luks', 'control_location': 'front-end', 'cipher': 'aes-xts-plain64',
              'key_size': 256}


@pytest.fixture
def make(api):
    def make(name='gold', **values):
        answer = api.post('/types', {'volume_type': {'name': name, **values}})
        assert answer.status == 200, answer.body
        return answer.json['volume_type']
    return make


@pytest.fixture
def private(make):
    return make('silver', **{'os-volume-type-access:is_public': False})


def _names(answer):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json['volume_types']]


class TestBase:
    """3.0"""

    def test_create_shows_what_was_made(self, make):
        made = make(name=' gold ', description='d', extra_specs={'k': 'v'})
        assert made.pop('id')
        assert made == {'name': 'gold', 'description': 'd', 'extra_specs': {'k': 'v'},
                        'is_public': True, 'os-volume-type-access:is_public': True}

    def test_name_is_unique(self, api, make):
        make()
        api.post('/types', {'volume_type': {'name': 'gold'}}).fault(409)

    @pytest.mark.parametrize('body', [
        {}, {'name': ''}, {'name': '  '}, {'name': 'x' * 256}, {'name': 5},
        {'name': 'n', 'zz': 1}, {'name': 'n', 'description': 'x' * 256},
        {'name': 'n', 'description': 'a\nb'}, {'name': 'n', 'extra_specs': {'k': 5}},
        {'name': 'n', 'extra_specs': {'k' * 256: 'v'}}, {'name': 'n', 'extra_specs': {'k\n': 'v'}},
        {'name': 'n', 'os-volume-type-access:is_public': 'maybe'}])
    def test_bad_bodies(self, api, body):
        api.post('/types', {'volume_type': body}).fault(400)

    def test_list_is_newest_first_and_public_only(self, api, make, private):
        make()
        assert _names(api.get('/types')) == ['gold', '__DEFAULT__']
        assert _names(api.get('/types?is_public=none')) == ['gold', 'silver', '__DEFAULT__']
        assert _names(api.get('/types?is_public=false')) == ['silver']
        assert _names(api.get('/types?sort=name:asc')) == ['__DEFAULT__', 'gold']
        api.get('/types?is_public=zz').fault(400)

    def test_pages(self, api, make):
        make('a'), make('b')
        first = api.get('/types?limit=2&sort=name:desc')
        assert _names(first) == ['b', 'a']
        link, = first.json['volume_type_links']
        assert link['rel'] == 'next'
        assert link['href'].startswith(f'http://localhost:80/v3/{PROJECT}/types?')
        last = api.get(link['href'].removeprefix('http://localhost:80'), bare=True)
        assert _names(last) == ['__DEFAULT__']
        assert 'volume_type_links' not in last.json
        assert _names(api.get('/types?limit=0')) == []
        assert len(_names(api.get('/types?marker=unknown'))) == 3

    def test_show(self, api, make):
        made = make()
        shown = api.get(f'/types/{made["id"]}').json['volume_type']
        assert shown == {**made, 'qos_specs_id': None}
        default = api.get('/types/default').json['volume_type']
        assert default['name'] == '__DEFAULT__'
        assert 'os-volume-type-access:is_public' not in default

    def test_unknown_id_is_named(self, api, nobody):
        assert nobody in api.get(f'/types/{nobody}').fault(404)
        assert nobody in api.delete(f'/types/{nobody}').fault(404)
        assert nobody in api.put(f'/types/{nobody}',
                                 {'volume_type': {'name': 'n'}}).fault(404)

    def test_users_see_no_operator_facts(self, api, make, reader, private):
        made = make(extra_specs={'volume_backend_name': 'b', 'multiattach': '<is> True'})
        shown = reader.get(f'/types/{made["id"]}').json['volume_type']
        assert shown['extra_specs'] == {'multiattach': '<is> True'}
        assert 'qos_specs_id' not in shown
        assert _names(reader.get('/types?is_public=none')) == ['gold', '__DEFAULT__']
        reader.get(f'/types/{private["id"]}').fault(404)

    def test_users_change_nothing(self, make, member):
        url = f'/types/{make()["id"]}'
        for answer in (member.post('/types', {'volume_type': {'name': 'n'}}),
                       member.put(url, {'volume_type': {'name': 'n'}}), member.delete(url)):
            assert 'volume_extension:type_' in answer.fault(403)

    def test_update(self, api, make):
        url = f'/types/{make()["id"]}'
        changed = api.put(url, {'volume_type': {'description': ' new ', 'is_public': 'off'}}).json
        assert changed['volume_type']['description'] == 'new'
        assert changed['volume_type']['is_public'] is False
        assert 'os-volume-type-access:is_public' not in changed['volume_type']
        for bad in ({}, {'name': None}, {'name': ' '}, {'zz': 1}):
            api.put(url, {'volume_type': bad}).fault(400)
        api.put(url, {'volume_type': {'name': '__DEFAULT__'}}).fault(409)

    def test_delete(self, api, make):
        url = f'/types/{make()["id"]}'
        gone = api.delete(url)
        assert (gone.status, gone.body) == (202, b'')
        assert gone.headers['Content-Type'].startswith('text/html')
        api.get(url).fault(404)

    def test_the_default_type_stays(self, api):
        default = api.get('/types/default').json['volume_type']
        api.delete(f'/types/{default["id"]}').fault(400)


class TestExtraSpecsFilter:
    """3.52"""

    def test_filter(self, api, make, reader):
        make('a', extra_specs={'k': 'v', 'multiattach': '<is> True'})
        make('b')
        assert _names(api.get("/types?extra_specs={'k':'v'}")) == ['a']
        assert len(_names(api.get("/types?extra_specs={'k':'v'}", mv='3.51'))) == 3
        assert _names(reader.get("/types?extra_specs={'k':'v'}")) == []
        assert _names(reader.get("/types?extra_specs={'multiattach':'<is> True'}")) == ['a']
        assert _names(reader.get('/types?extra_specs=zz')) == []

    def test_unknown_filter(self, api, reader):
        assert _names(api.get('/types?zz=1')) == []
        reader.get('/types?zz=1').fault(400)
        assert reader.get('/types?zz=1', mv='3.51').status == 200


class TestExtraSpecs:
    def test_life(self, api, make):
        url = f'/types/{make(extra_specs={"a": "1"})["id"]}/extra_specs'
        body = {'extra_specs': {'b': '2', 'c': None}}
        assert api.post(url, body).json == body
        assert api.get(url).json == {'extra_specs': {'a': '1', 'b': '2', 'c': None}}
        assert api.put(f'{url}/b', {'b': '3'}).json == {'b': '3'}
        assert api.get(f'{url}/b').json == {'b': '3'}
        assert api.delete(f'{url}/b').status == 202
        assert 'b' in api.get(f'{url}/b').fault(404)
        api.delete(f'{url}/b').fault(404)

    def test_bad_bodies(self, api, make):
        url = f'/types/{make()["id"]}/extra_specs'
        for bad in ({'extra_specs': {'a b': 'v'}}, {'extra_specs': []}, {}, {'zz': {}}):
            api.post(url, bad).fault(400)
        for bad in ({'other': 'v'}, {'k': 'v', 'l': 'v'}, {}, {'k': {}}):
            api.put(f'{url}/k', bad).fault(400)

    def test_multiattach_and_cacheable_exclude_each_other(self, api, make):
        url = f'/types/{make(extra_specs={"multiattach": "<is> True"})["id"]}/extra_specs'
        api.post(url, {'extra_specs': {'cacheable': '<is> True'}}).fault(400)

    def test_hidden_from_users(self, make, member):
        url = f'/types/{make(extra_specs={"secret": "1", "multiattach": "x"})["id"]}/extra_specs'
        assert member.get(url).json == {'extra_specs': {'multiattach': 'x'}}
        member.get(f'{url}/secret').fault(404)
        member.post(url, {'extra_specs': {}}).fault(403)
        member.delete(f'{url}/secret').fault(403)


class TestAccess:
    def test_life(self, api, private, make):
        stranger = api.as_roles('member,reader', 'ab' * 16)
        url = f'/types/{private["id"]}'
        stranger.get(url).fault(404)
        body = {'addProjectAccess': {'project': stranger.project}}
        assert api.post(f'{url}/action', body).status == 202
        api.post(f'{url}/action', body).fault(409)
        assert api.get(f'{url}/os-volume-type-access').json == {'volume_type_access': [
            {'volume_type_id': private['id'], 'project_id': stranger.project}]}
        assert stranger.get(url).status == 200
        body = {'removeProjectAccess': {'project': stranger.project}}
        assert api.post(f'{url}/action', body).status == 202
        api.post(f'{url}/action', body).fault(404)
        stranger.get(url).fault(404)

    def test_public_type(self, api, make):
        url = f'/types/{make()["id"]}'
        api.get(f'{url}/os-volume-type-access').fault(404)
        api.post(f'{url}/action', {'addProjectAccess': {'project': 'p'}}).fault(400)

    def test_action_keys(self, api, private):
        url = f'/types/{private["id"]}/action'
        assert 'zz' in api.post(url, {'zz': {}}).fault(400)
        api.post(url, {'addProjectAccess': {'project': 'p'},
                       'removeProjectAccess': {'project': 'p'}}).fault(400)
        for accident in ('create', 'update', 'delete'):
            api.post(url, {accident: {}}).fault(400)


class TestEncryption:
    def test_life(self, api, make):
        made = make()
        url = f'/types/{made["id"]}/encryption'
        assert api.get(url).json == {}
        created = api.post(url, {'encryption': ENCRYPTION}).json['encryption']
        assert created == {**ENCRYPTION, 'volume_type_id': made['id'],
                           'encryption_id': created['encryption_id']}
        shown = api.get(url).json
        assert (shown['deleted'], shown['deleted_at'], shown['updated_at']) == (False, None, None)
        assert shown['created_at']
        assert api.get(f'{url}/cipher').json == {'cipher': 'aes-xts-plain64'}
        api.get(f'{url}/zz').fault(404)
        api.post(url, {'encryption': ENCRYPTION}).fault(400)
        change = {'encryption': {'key_size': '128'}}
        assert api.put(f'{url}/any', change).json == change
        assert api.get(url).json['key_size'] == 128
        assert api.delete(f'{url}/any').status == 202
        api.delete(f'{url}/any').fault(404)

    @pytest.mark.parametrize('bad', [{'provider': None}, {'control_location': 'x'},
                                     {'key_size': 'x'}, {'key_size': -1}, {'cipher': 5}])
    def test_bad_bodies(self, api, make, bad):
        api.post(f'/types/{make()["id"]}/encryption',
                 {'encryption': {**ENCRYPTION, **bad}}).fault(400)

    def test_users_do_not_see_it(self, make, member):
        member.get(f'/types/{make()["id"]}/encryption').fault(403)


LEAST, MOST = 'provisioning:min_vol_size', 'provisioning:max_vol_size'


class TestSizes:
    """What a type says about the sizes of its volumes."""

    def test_volumes_have_an_allowed_size(self, api, daemons, make):
        make(name='mid', extra_specs={LEAST: '2', MOST: '3'})
        for size in (1, 4):
            told = api.post('/volumes', {'volume': {'size': size, 'volume_type': 'mid'}}).fault(400)
            assert "'mid'" in told and f'{size} GiB are requested' in told
        made = api.post('/volumes', {'volume': {'size': 3, 'volume_type': 'mid'}})
        path = f'/volumes/{made.json["volume"]["id"]}/action'
        assert MOST in api.post(path, {'os-extend': {'new_size': 4}}).fault(400)

    def test_a_new_type_allows_the_size(self, api, volume, make):
        make(name='large', extra_specs={LEAST: '2'})
        action = {'os-retype': {'new_type': 'large', 'migration_policy': 'never'}}
        assert LEAST in api.post(f'/volumes/{volume["id"]}/action', action).fault(400)

    def test_sizes_are_numbers(self, api, make):
        body = {'name': 'bad', 'extra_specs': {LEAST: 'small'}}
        assert LEAST in api.post('/types', {'volume_type': body}).fault(400)
        made = make(name='good', extra_specs={LEAST: '5'})
        path = f'/types/{made["id"]}/extra_specs'
        assert MOST in api.post(path, {'extra_specs': {MOST: '4'}}).fault(400)
        assert api.post(path, {'extra_specs': {MOST: '5'}}).status == 200
