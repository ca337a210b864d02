# SPDX-License-Identifier: Apache-2.0
"""QoS specs and the volume types tied to them, over HTTP."""
import pytest


@pytest.fixture
def make(api):
    def make(name='fast', **specs):
        answer = api.post('/qos-specs', {'qos_specs': {'name': name, **specs}})
        assert answer.status == 200, answer.body
        return answer.json['qos_specs']
    return make


@pytest.fixture
def gold(api):
    return api.post('/types', {'volume_type': {'name': 'gold'}}).json['volume_type']['id']


def _names(answer):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json['qos_specs']]


class TestBase:
    """3.0"""

    def test_create_lifts_name_and_consumer_out(self, api):
        answer = api.post('/qos-specs', {'qos_specs': {
            'name': ' fast ', 'consumer': 'front-end', 'read_iops_sec': '100'}})
        made = answer.json['qos_specs']
        assert made == {'id': made['id'], 'name': 'fast', 'consumer': 'front-end',
                        'specs': {'read_iops_sec': '100'}}
        assert answer.json['links'][0]['href'].endswith(f'/qos-specs/{made["id"]}')
        assert api.get(f'/qos-specs/{made["id"]}').json == answer.json

    def test_consumer_is_the_storage_unless_told(self, make):
        assert make()['consumer'] == 'back-end'

    def test_name_is_unique_among_the_living(self, api, make):
        gone = make()
        assert 'fast' in api.post('/qos-specs', {'qos_specs': {'name': 'fast'}}).fault(409)
        assert api.delete(f'/qos-specs/{gone["id"]}').status == 202
        make()

    @pytest.mark.parametrize('body', [
        {}, {'name': ''}, {'name': '  '}, {'name': 'x' * 256}, {'name': 5}, {'name': None},
        {'name': 'n', 'consumer': 'zz'}, {'name': 'n', 'consumer': None}, {'name': 'n', 'k': 5},
        {'name': 'n', 'k': 'v' * 256}, {'name': 'n', 'k' * 256: 'v'}, {'name': 'n', '': 'v'}])
    def test_bad_bodies(self, api, body):
        api.post('/qos-specs', {'qos_specs': body}).fault(400)

    def test_list(self, api, make):
        first, second = make('a', k='1'), make('b', consumer='both')
        assert api.get('/qos-specs').json == {'qos_specs': [second, first]}
        assert _names(api.get('/qos-specs?sort=name:asc')) == ['a', 'b']
        assert _names(api.get('/qos-specs?consumer=both')) == ['b']
        assert _names(api.get(f'/qos-specs?name=a&id={first["id"]}')) == ['a']
        page = api.get('/qos-specs?limit=1')
        assert _names(page) == ['b'] and page.json['qos_specs_links'][0]['rel'] == 'next'
        assert _names(api.get(f'/qos-specs?limit=1&marker={second["id"]}')) == ['a']
        api.get('/qos-specs?sort=zz').fault(400)

    def test_update_merges_and_repeats_the_body(self, api, make):
        made = make(k='1', m='1')
        body = {'qos_specs': {'k': '2', 'n': None, 'consumer': 'both'}}
        assert api.put(f'/qos-specs/{made["id"]}', body).json == body
        assert api.get(f'/qos-specs/{made["id"]}').json['qos_specs'] == {
            **made, 'consumer': 'both', 'specs': {'k': '2', 'm': '1', 'n': None}}
        for bad in ({'consumer': 'zz'}, {'k\n': 'v'}, {'k': 5}, {'k': 'v' * 256}):
            api.put(f'/qos-specs/{made["id"]}', {'qos_specs': bad}).fault(400)

    def test_delete_keys_is_all_or_nothing(self, api, make):
        made = make(k='1', m='1')
        url = f'/qos-specs/{made["id"]}'
        assert 'zz' in api.put(f'{url}/delete_keys', {'keys': ['k', 'zz']}).fault(404)
        assert api.get(url).json['qos_specs']['specs'] == {'k': '1', 'm': '1'}
        assert api.put(f'{url}/delete_keys', {'keys': ['k']}).status == 202
        assert api.get(url).json['qos_specs']['specs'] == {'m': '1'}
        for bad in (['k', 'k'], [''], [5], 'k', {}):
            api.put(f'{url}/delete_keys', {'keys': bad}).fault(400)

    def test_unknown(self, api, nobody):
        for method, path, body in (
                ('GET', '', None), ('PUT', '', {'qos_specs': {'k': 'v'}}), ('DELETE', '', None),
                ('PUT', '/delete_keys', {'keys': ['k']}), ('GET', '/associations', None),
                ('GET', f'/associate?vol_type_id={nobody}', None),
                ('GET', f'/disassociate?vol_type_id={nobody}', None),
                ('GET', '/disassociate_all', None)):
            text = api.request(method, f'/qos-specs/{nobody}{path}', body).fault(404)
            assert nobody in text, path

    def test_admin_only(self, member, nobody):
        for path in ('', f'/{nobody}', f'/{nobody}/associations', f'/{nobody}/associate'):
            member.get(f'/qos-specs{path}').fault(403)
        member.post('/qos-specs', {'qos_specs': {'name': 'n'}}).fault(403)
        member.delete(f'/qos-specs/{nobody}').fault(403)

    def test_a_page_costs_two_statements(self, api, make, statements):
        for number in range(3):
            make(f'n{number}', k='v')
        statements.clear()
        assert len(_names(api.get('/qos-specs'))) == 3
        assert len(statements) == 2


class TestTies:
    def test_associate(self, api, make, gold):
        url = f'/qos-specs/{make()["id"]}'
        for _again in range(2):
            assert api.get(f'{url}/associate?vol_type_id={gold}').status == 202
        assert api.get(f'{url}/associations').json == {'qos_associations': [
            {'association_type': 'volume_type', 'name': 'gold', 'id': gold}]}
        assert api.get(f'/types/{gold}').json['volume_type']['qos_specs_id'] in url

    def test_a_type_has_one_set(self, api, make, gold):
        first, second = make('a')['id'], make('b')['id']
        api.get(f'/qos-specs/{first}/associate?vol_type_id={gold}')
        assert first in api.get(f'/qos-specs/{second}/associate?vol_type_id={gold}').fault(400)
        assert api.get(f'/qos-specs/{second}/disassociate?vol_type_id={gold}').status == 202
        assert api.get(f'/types/{gold}').json['volume_type']['qos_specs_id'] == first

    @pytest.mark.parametrize('way', ['disassociate?vol_type_id={}', 'disassociate_all'])
    def test_untie(self, api, make, gold, way):
        url = f'/qos-specs/{make()["id"]}'
        api.get(f'{url}/associate?vol_type_id={gold}')
        assert api.get(f'{url}/{way.format(gold)}').status == 202
        assert api.get(f'{url}/associations').json == {'qos_associations': []}
        assert api.get(f'/types/{gold}').json['volume_type']['qos_specs_id'] is None

    @pytest.mark.parametrize('verb', ['associate', 'disassociate'])
    def test_which_type(self, api, make, nobody, verb):
        url = f'/qos-specs/{make()["id"]}/{verb}'
        api.get(url).fault(400)
        assert nobody in api.get(f'{url}?vol_type_id={nobody}').fault(404)

    def test_delete_needs_force_while_tied(self, api, make, gold):
        url = f'/qos-specs/{make()["id"]}'
        api.get(f'{url}/associate?vol_type_id={gold}')
        api.delete(url).fault(400)
        api.delete(f'{url}?force=zz').fault(400)
        assert api.delete(f'{url}?force=true').status == 202
        assert api.get(f'/types/{gold}').json['volume_type']['qos_specs_id'] is None
        api.get(url).fault(404)


class TestLimitsPerGib:
    def test_what_cannot_be_computed_is_refused(self, api, make):
        body = {'name': 'n', 'total_iops_sec_per_gb': 'many'}
        assert 'total_iops_sec_per_gb' in api.post('/qos-specs', {'qos_specs': body}).fault(400)
        made = make('n', total_iops_sec_per_gb='30', total_iops_sec_per_gb_min='50')
        path = f'/qos-specs/{made["id"]}'
        api.put(path, {'qos_specs': {'total_iops_sec_per_gb': '-1'}}).fault(400)
        told = api.put(f'{path}/delete_keys', {'keys': ['total_iops_sec_per_gb']}).fault(400)
        assert 'has no effect without total_iops_sec_per_gb' in told
        assert api.put(path, {'qos_specs': {'total_iops_sec_max': '99'}}).status == 200
