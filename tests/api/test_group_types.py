# SPDX-License-Identifier: Apache-2.0
"""Group types and their specs, over HTTP."""
import pytest

from cinder.conf import CONF


@pytest.fixture
def make(api):
    def make(name='kind', **values):
        answer = api.post('/group_types', {'group_type': {'name': name, **values}})
        assert answer.status == 202, answer.body
        return answer.json['group_type']
    return make


@pytest.fixture
def specs(make):
    """Path of the specs of a type that has one, k=v."""
    return f'/group_types/{make(group_specs={"k": "v"})["id"]}/group_specs'


def _names(answer):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json['group_types']]


class TestTypes:
    """3.11"""

    def test_create_and_show(self, api, make):
        made = make(' kind ', description=' d ', group_specs={'k': 'v'})
        assert made == {'id': made['id'], 'name': 'kind', 'description': 'd', 'is_public': True,
                        'group_specs': {'k': 'v'}}
        assert api.get(f'/group_types/{made["id"]}').json == {'group_type': made}

    def test_hidden_below(self, api, make):
        path = f'/group_types/{make()["id"]}'
        for answer in (api.get('/group_types', mv='3.10'), api.get(path, mv='3.10'),
                       api.delete(path, mv='3.10'), api.get(f'{path}/group_specs', mv='3.10')):
            answer.fault(404)

    @pytest.mark.parametrize('body', [
        {}, {'name': ''}, {'name': ' '}, {'name': 'x' * 256}, {'name': None}, {'name': 5},
        {'name': 'n', 'is_public': 'zz'}, {'name': 'n', 'group_specs': {'k': 5}},
        {'name': 'n', 'group_specs': {'k!': 'v'}}, {'name': 'n', 'description': 'a\nb'},
        {'name': 'n', 'zz': 1}])
    def test_bad_bodies(self, api, body):
        api.post('/group_types', {'group_type': body}).fault(400)

    def test_name_is_unique_among_the_living(self, api, make):
        gone = make()
        assert 'kind' in api.post('/group_types', {'group_type': {'name': 'kind'}}).fault(409)
        assert api.delete(f'/group_types/{gone["id"]}').status == 202
        again = make()
        other = make('other')
        api.put(f'/group_types/{other["id"]}', {'group_type': {'name': 'kind'}}).fault(409)
        assert api.get(f'/group_types/{again["id"]}').status == 200

    def test_list_pages_and_visibility(self, api, member, make):
        make('open')
        hidden = make('hidden', is_public=False)
        assert _names(api.get('/group_types')) == ['open']
        assert _names(api.get('/group_types?is_public=none&sort=name:asc')) == ['hidden', 'open']
        assert _names(api.get('/group_types?is_public=false')) == ['hidden']
        api.get('/group_types?is_public=zz').fault(400)
        page = api.get('/group_types?is_public=none&limit=1')
        assert page.json['group_type_links'][0]['rel'] == 'next'
        # An unknown marker is ignored here.
        assert _names(api.get('/group_types?marker=zz')) == ['open']
        assert _names(member.get('/group_types?is_public=none')) == ['open']
        member.get(f'/group_types/{hidden["id"]}').fault(404)

    def test_specs_are_for_administrators(self, api, member, make):
        path = f'/group_types/{make(group_specs={"k": "v"})["id"]}'
        assert 'group_specs' in api.get(path).json['group_type']
        assert 'group_specs' not in member.get(path).json['group_type']

    def test_default(self, api, make):
        api.get('/group_types/default').fault(404)
        CONF.set_override('default_group_type', 'kind')
        try:
            made = make()
            assert api.get('/group_types/default').json == {'group_type': made}
        finally:
            CONF.clear_override('default_group_type')

    def test_update(self, api, make, nobody):
        path = f'/group_types/{make(description="d")["id"]}'
        answer = api.put(path, {'group_type': {'name': 'new', 'is_public': 'false'}})
        assert answer.status == 200
        shown = answer.json['group_type']
        assert (shown['name'], shown['description'], shown['is_public']) == ('new', 'd', False)
        for body in ({}, {'name': None}, {'name': ' '}, {'is_public': 'zz'}):
            api.put(path, {'group_type': body}).fault(400)
        api.put(f'/group_types/{nobody}', {'group_type': {'name': 'n'}}).fault(404)

    def test_rights(self, member, make):
        path = f'/group_types/{make()["id"]}'
        member.post('/group_types', {'group_type': {'name': 'n'}}).fault(403)
        member.put(path, {'group_type': {'name': 'n'}}).fault(403)
        member.delete(path).fault(403)
        member.get(f'{path}/group_specs').fault(403)


class TestSpecs:
    """3.11"""

    def test_merge_show_set_and_remove(self, api, specs):
        answer = api.post(specs, {'group_specs': {'a': 'b', 'n': None}})
        assert (answer.status, answer.json) == (202, {'group_specs': {'a': 'b', 'n': None}})
        assert api.get(specs).json == {'group_specs': {'a': 'b', 'k': 'v', 'n': None}}
        answer = api.put(f'{specs}/k', {'k': 'w'})
        assert (answer.status, answer.json) == (200, {'k': 'w'})
        assert api.get(f'{specs}/k').json == {'k': 'w'}
        assert api.delete(f'{specs}/k').status == 202
        api.get(f'{specs}/k').fault(404)
        api.delete(f'{specs}/k').fault(404)

    @pytest.mark.parametrize('body', [{}, {'other': 'v'}, {'k': 5}, {'k': 'v', 'a': 'b'}])
    def test_the_key_of_the_url_is_the_one_of_the_body(self, api, specs, body):
        api.put(f'{specs}/k', body).fault(400)

    def test_no_such_type(self, api, nobody):
        path = f'/group_types/{nobody}/group_specs'
        for answer in (api.get(path), api.get(f'{path}/k'), api.put(f'{path}/k', {'k': 'v'}),
                       api.post(path, {'group_specs': {'k': 'v'}}), api.delete(f'{path}/k')):
            answer.fault(404)
