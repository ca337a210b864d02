# SPDX-License-Identifier: Apache-2.0
"""The description of the API: whole, one per microversion, and for whom. That it is valid:
tests/functional/test_description.py."""
import csv
import json
import pathlib
import re

import pytest
from paste import deploy

from cinder import policies
from cinder.api import beside, openapi, wsgi
from cinder.api import microversions as mv
from cinder.api.v3 import router
from cinder.conf import CONF
from tests.api.client import PASTE, Api

FACTS = pathlib.Path(__file__).parents[3] / 'shared/api/routes.csv'
OPERATIONS = list(openapi.list_operations(router.ROUTES))


@pytest.fixture(scope='module')
def document():
    return json.loads(wsgi.dumps(openapi.make_document(router.ROUTES)))


@pytest.mark.parametrize('each', OPERATIONS,
                         ids=[f'{each.method} {each.path} {each.action}' for each in OPERATIONS])
def test_every_operation(document, each):
    told = document['paths'][each.path][each.method.lower()]
    assert set(map(str, each.codes)) <= set(told['responses'])
    assert str(each.spec.status) in told['responses']
    facts = told[openapi.OPENSTACK]
    if each.action:
        facts = facts['actions'][each.action][openapi.OPENSTACK]
    assert facts['min-ver'] == mv.text(each.spec.since)
    assert facts['policies'] == list(each.rules)
    body = json.dumps(told.get('requestBody', ''))
    assert (f'"title": "{each.action}"' in body) if each.action else (
        bool(each.spec.schemas) == (body != '""'))


def test_every_rule_with_an_operation_is_asked_by_one():
    asked = {name for each in OPERATIONS for name in each.rules}
    asked |= {page.rule for page in beside.PAGES.values()}
    assert {rule.name for rule in policies.list_rules()
            if getattr(rule, 'operations', ())} - asked == set()


# This names a code that nothing here leads to.
NEVER = {('R007', 409)}


@pytest.mark.skipif(not FACTS.exists(), reason=f'the facts are not here: {FACTS}')
def test_the_operations_are_those_of_the_facts():
    known = {(each.method, _anonymous(each.path), each.action or ''): each for each in OPERATIONS}
    with FACTS.open() as stream:
        rows = [row for row in csv.DictReader(stream)
                if row['status'] != 'accident' and row['path'].startswith('/v3/{project_id}/')]
    assert len(rows) > 200
    for row in rows:
        path = _anonymous(row['path'].removeprefix('/v3/{project_id}'))
        each = known[row['method'], path, row['action_key']]
        assert (mv.text(each.spec.since), str(each.spec.status)) == (
            row['min_microversion'], row['success_status']), row
        assert set(filter(None, row['policy_rule'].split(';'))) <= set(each.rules), row
        codes = {int(code) for code in filter(None, row['error_statuses'].split(';'))}
        assert {code for code in codes - {500} if (row['id'], code) not in NEVER} <= set(
            each.codes), row


def _anonymous(path):
    return re.sub(r'{\w+}', '{}', path)


def test_operation_ids_differ(document):
    ids = [told['operationId'] for item in document['paths'].values()
           for method, told in item.items() if method != 'parameters']
    assert len(ids) == len(set(ids))


def test_patterns_are_for_everybody(document):
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(document)))
    assert patterns
    assert not [text for text in patterns if '\\\\Z' in text or '\\\\A' in text or '(?' in text]


def test_a_version_is_described_as_it_was(api):
    old = api.get('/openapi.json', mv='3.26')
    assert '/attachments' not in old.json['paths']
    assert 'patternProperties' in json.dumps(old.json)
    fields = json.dumps(old.json['paths']['/volumes/{volume_id}']['get'])
    assert 'provider_id' in fields
    assert 'shared_targets' not in fields
    assert old.json['info']['version'] == '3.26'


def test_without_a_version_all_are_described(api):
    told = api.get('/openapi', mv=None).json
    create = told['paths']['/volumes']['post']['requestBody']['content'][wsgi.JSON]['schema']
    assert [row[openapi.OPENSTACK] for row in create['anyOf']] == [
        {'min-ver': '3.53'}, {'min-ver': '3.47', 'max-ver': '3.52'},
        {'min-ver': '3.13', 'max-ver': '3.46'}, {'min-ver': '3.0', 'max-ver': '3.12'}]
    assert told['servers'][0]['url'] == 'http://localhost:80/v3'


@pytest.fixture
def strict(tmp_path):
    """The pipeline of Keystone, without the filter that asks it."""
    paste = tmp_path / 'paste.ini'
    paste.write_text(PASTE.read_text().replace(' authtoken ', ' '))

    def application():
        return deploy.loadapp(f'config:{paste}', name='osapi_volume')
    CONF.set_override('auth_strategy', 'keystone')
    yield application
    CONF.clear_override('auth_strategy')
    CONF.clear_override('openapi_public')


@pytest.mark.parametrize(('public', 'status'), [(False, 401), (True, 200)])
def test_without_a_token(strict, public, status):
    CONF.set_override('openapi_public', public)
    stranger = Api(strict())
    nobody = {'X-Auth-Token': None}
    answer = stranger.get('/v3/openapi.json', bare=True, headers=nobody, mv=None)
    assert answer.status == status
    assert ('paths' in (answer.json or {})) == public
    assert stranger.get('/v3/volumes', bare=True, headers=nobody).status == 401
    assert stranger.post('/v3/openapi.json', {}, bare=True, headers=nobody).status != 200


@pytest.mark.parametrize('path', beside.PAGES)
def test_the_paths_next_to_v3_are_described(document, api, path):
    told = openapi.make_document(router.ROUTES, None, 'http://here')['paths'][path]
    assert told['get']['servers'] == [{'url': 'http://here'}]
    assert f'\n{path} = ' in PASTE.read_text()
    # Off, as in the tests, or open to everybody.
    status = api.get(path, bare=True).status
    assert str(status) in document['paths'][path]['get']['responses']
