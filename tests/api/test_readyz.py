# SPDX-License-Identifier: Apache-2.0
"""/readyz of the API: whether it can answer, for everyone; why not, for administrators."""
import json

import pytest
from paste import deploy

from cinder import exception
from cinder.api import readyz
from cinder.conf import CONF
from cinder.db import services, session
from cinder.metrics import neighbours
from cinder.rpc import base, reachability
from tests.api.client import PASTE, Api
from tests.fakes.daemons import ADMIN


@pytest.fixture
def strict(api, tmp_path, monkeypatch):
    """The pipeline of Keystone, without the filter that asks it; each check is a new one."""
    monkeypatch.setattr(readyz, 'FRESH', 0)
    monkeypatch.setattr(reachability, 'find_trouble', lambda: None)
    paste = tmp_path / 'paste.ini'
    paste.write_text(PASTE.read_text().replace(' authtoken ', ' '))
    CONF.set_override('auth_strategy', 'keystone')
    yield Api(deploy.loadapp(f'config:{paste}', name='osapi_volume'))
    CONF.clear_override('auth_strategy')


STRANGER = {'X-Auth-Token': None}
TENANT = {'X-User-Id': 'u', 'X-Project-Id': 'p', 'X-Roles': 'member,reader'}
OPERATOR = {**TENANT, 'X-Roles': 'admin'}


def read(api, headers):
    answer = api.request('GET', '/readyz', bare=True, headers=headers)
    return answer.status, answer.json


def test_everyone_may_ask(strict):
    found = 200, {'ready': True, 'waits_for': [], 'also_missing': []}
    assert read(strict, STRANGER) == found
    assert read(strict, TENANT) == found
    assert strict.request('HEAD', '/readyz', bare=True, headers=STRANGER).status == 200


def test_without_the_database_it_is_not_ready(strict, monkeypatch):
    def fail(_ctxt):
        raise exception.DatabaseUnavailable() from OSError('no route to 192.0.2.1')
    monkeypatch.setattr(services, 'list_rows', fail)
    assert read(strict, STRANGER) == (503, {
        'ready': False, 'waits_for': ['database'], 'also_missing': []})
    assert read(strict, OPERATOR)[1]['reasons'] == {'database': 'no route to 192.0.2.1'}


def test_what_operations_wait_for_keeps_no_request_away(strict, monkeypatch):
    monkeypatch.setattr(base, 'is_initialized', lambda: True)
    monkeypatch.setattr(reachability, 'find_trouble', lambda: 'No connection is accepted.')
    monkeypatch.setattr(neighbours, '_last', {})
    neighbours.note('key manager', 'HTTP 500')
    neighbours.note('image service')
    assert read(strict, STRANGER) == (200, {
        'ready': True, 'waits_for': [], 'also_missing': ['key manager', 'message broker']})
    assert read(strict, OPERATOR)[1]['reasons'] == {
        'key manager': 'HTTP 500', 'message broker': 'No connection is accepted.'}


def test_an_administrator_sees_the_services(strict):
    row = services.create(ADMIN, {'host': 'a@b', 'binary': 'cinder-volume', 'topic': 't'})
    services.update(ADMIN, row.id, {'updated_at': session.in_seconds(-900)})
    services.set_down_reason(ADMIN, row.id, services.DOWN + 'no volume group')
    found, = read(strict, OPERATOR)[1]['services']
    assert (found['service'], found['ready'], found['enabled'], found['reason']) == (
        'cinder-volume on a@b', False, True, 'down: no volume group')
    assert 'services' not in read(strict, TENANT)[1]


def test_a_check_is_shared_for_a_while(api, statements, monkeypatch):
    monkeypatch.setattr(reachability, 'find_trouble', lambda: None)
    now = [0.0]
    check = readyz.Check(lambda: now[0])
    for _time in range(5):
        check.result()
    assert len(statements) == 1
    now[0] = readyz.FRESH
    check.result()
    assert len(statements) == 2


def test_on_the_port_of_the_metrics_it_includes_the_other_services(api, monkeypatch):
    monkeypatch.setattr(reachability, 'find_trouble', lambda: None)
    page = readyz.listener_page(lambda: [{'ready': False}])
    status, _kind, body = page()
    assert (status, json.loads(body)['processes']) == (503, [{'ready': False}])
    assert readyz.listener_page(list)()[0] == 200


@pytest.mark.parametrize(('method', 'path'), [('GET', '/readyz/x'), ('POST', '/readyz')])
def test_it_has_nothing_else(api, method, path):
    assert api.request(method, path, bare=True).status == 404
