# SPDX-License-Identifier: Apache-2.0
"""/faults, and what requests meet; operations meet theirs in tests/functional/test_testing.py."""
import json

import pytest
import webob

from cinder import injected_faults
from cinder.api import faults, prefer, waiters


@pytest.fixture(autouse=True)
def no_faults():
    yield
    injected_faults.remove()


def ask(method, path='', body=None, content_type='application/json'):
    request = webob.Request.blank(f'/faults{path}', method=method)
    request.script_name, request.path_info = '/faults', path
    if body is not None:
        request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.content_type = content_type
    response = request.get_response(faults.application)
    return response.status_int, response.json if response.body else None


def test_faults_are_added_listed_and_removed():
    status, answer = ask('POST', body={'fault': {'verb': 'volume.create', 'action': 'slow'}})
    assert status == 201
    assert ask('GET') == (200, {'faults': [answer['fault']]})
    assert ask('DELETE', f'/{answer["fault"]["id"]}') == (204, None)
    assert ask('DELETE', f'/{answer["fault"]["id"]}')[0] == 404
    assert ask('GET') == (200, {'faults': []})
    assert ask('DELETE') == (204, None)


@pytest.mark.parametrize(('method', 'path', 'body', 'kind', 'status', 'text'), [
    ('POST', '', b'{', 'application/json', 400, 'the body must be'),
    ('POST', '', {'fault': []}, 'application/json', 400, 'the body must be'),
    ('POST', '', {'fault': {'verb': 'volume.create', 'message': 'x' * 9000}}, 'application/json',
     400, 'at most 8192 bytes'),
    ('POST', '', {'fault': {'verb': 'x', 'action': 'fail'}}, 'text/plain', 400,
     'must be application/json'),
    ('POST', '', {'fault': {'verb': 'attachment.*', 'action': 'fail'}}, 'application/json', 400,
     'matches none of'),
    ('POST', '', {'fault': {'verb': 'volume.attach', 'action': 'fail'}}, 'application/json', 400,
     'matches none of'),
    ('POST', '', {'fault': {'verb': 'volume.create', 'action': 'x'}}, 'application/json', 400,
     'action'),
    ('POST', '/1', {}, 'application/json', 404, ''), ('PUT', '', {}, 'application/json', 404, '')])
def test_what_is_refused(method, path, body, kind, status, text):
    found, answer = ask(method, path, body, kind)
    assert found == status and text in answer['error']['message']
    assert not injected_faults.are_there()


def test_a_request_is_refused_with_the_status_that_is_wanted(api):
    injected_faults.add({'request': 'GET volumes*', 'action': 'fail', 'status': 500, 'times': 1,
                         'message': 'no luck'})
    assert api.get('/snapshots').status == 200
    assert api.get('/volumes').fault(500) == 'no luck'
    assert api.get('/volumes').status == 200


def test_a_reply_is_lost_after_the_work(api):
    injected_faults.add({'verb': 'volume.create', 'action': 'lose_reply', 'times': 1})
    # A server of ours ends the connection; here is none.
    assert api.post('/volumes', {'volume': {'size': 1, 'name': 'there'}}).status == 500
    assert [each['name'] for each in api.get('/volumes').json['volumes']] == ['there']
    assert api.post('/volumes', {'volume': {'size': 1}}).status == 202


class Room:
    """A server that holds requests which wait."""

    def has_room(self):
        return True


def test_nothing_waits_for_a_reply_that_is_lost(api):
    injected_faults.add({'verb': 'volume.create', 'action': 'lose_reply', 'times': 1})
    request = webob.Request.blank(f'/v3/{api.project}/volumes', method='POST', headers={
        'X-Auth-Token': f'user:{api.project}', 'Prefer': 'wait=30'})
    request.content_type, request.body = 'application/json', b'{"volume": {"size": 1}}'
    request.environ[waiters.PARKING] = Room()
    answer = request.call_application(api.app)[2]
    assert answer.is_dropped
    assert not prefer.POLLER._waiting


def test_a_repeated_request_gets_the_reply_that_was_lost(api):
    injected_faults.add({'request': 'POST volumes', 'action': 'lose_reply', 'times': 1})
    body, headers = {'volume': {'size': 1}}, {'Idempotency-Key': 'once'}
    assert api.request('POST', '/volumes', body, headers=headers).status == 500
    answer = api.request('POST', '/volumes', body, headers=headers)
    assert answer.headers['Idempotent-Replayed'] == 'true'
    assert [each['id'] for each in api.get('/volumes').json['volumes']] == [
        answer.json['volume']['id']]
