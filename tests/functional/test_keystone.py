# SPDX-License-Identifier: Apache-2.0
"""The service behind a real Keystone: who gets in, with which client, and what happens when tokens
end, are revoked or forged, and when Keystone is slow or away."""

import json
import re
import signal
import subprocess
import time
import uuid

import pytest

from tests.functional import keystone
from tests.functional.clients.programs import Failed, OpenStack
from tests.functional.processes import wait_until
from tests.functional.suite import ROOT, script

PERSONAS = keystone.PERSONAS
# The rules are about roles in projects: other scopes open nothing, nor does the role `service`.
REFUSED = ('system-reader', 'system-admin', 'domain-admin', 'service')


@pytest.fixture
def suite(guarded):
    guarded.ensure_running()
    return guarded


@pytest.fixture(scope='session')
def volume(guarded):
    """A volume of the project `own`."""
    return guarded.client('member').ready_volume(name='shown')


@pytest.fixture
def clouds(suite, tmp_path, monkeypatch):
    """A clouds.yaml of all personas, in place."""
    path = tmp_path / 'clouds.yaml'
    # JSON is YAML.
    path.write_text(json.dumps(suite.keystone.clouds()))
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(path))


# ------------------------------------------------------------------------------------- who gets in
@pytest.mark.parametrize('persona', PERSONAS)
def test_openstackclient_with_clouds_yaml(suite, clouds, volume, persona):
    program = OpenStack(suite.endpoint, suite.keystone.projects['own'], set(), persona)
    if persona in REFUSED:
        with pytest.raises(Failed, match='403'):
            program('volume list')
        return
    listed = {row['ID'] for row in program('volume list')}
    assert (volume['id'] in listed) == (PERSONAS[persona].project == 'own')
    if PERSONAS[persona].role == 'reader':
        with pytest.raises(Failed, match='403'):
            program('volume create --size 1 @refused')
    else:
        made = program('volume create --size 1 @made')
        wait_until(lambda: program(f'volume show {made["id"]}')['status'] == 'available', 30,
                   'the volume')
        program(f'volume delete {made["id"]}')


@pytest.mark.parametrize('persona', ['reader', 'other-reader', 'system-admin', 'service'])
def test_a_request_for_a_volume_of_own(suite, volume, persona):
    project = suite.keystone.projects['own']
    answer = suite.client(persona).request('GET', f'/v3/{project}/volumes/{volume["id"]}')
    assert answer.status == 200 if persona == 'reader' else answer.status in (400, 403, 404)


def test_with_and_without_the_project_in_the_url(suite, volume):
    client, project = suite.client('reader'), suite.keystone.projects['own']
    for path in ('/v3', f'/v3/{project}'):
        shown = client.get(f'{path}/volumes/{volume["id"]}')['volume']
        assert shown['id'] == volume['id']


def test_another_project_in_the_url_is_refused(suite):
    other = suite.keystone.projects['other']
    assert suite.client('member').request('GET', f'/v3/{other}/volumes').status == 400


def test_both_entries_of_the_catalog_lead_here(suite, volume, clouds):
    for kind in ('block-storage', 'volumev3'):
        url = subprocess.run(
            [script('openstack'), '--os-cloud', 'reader', 'catalog', 'show', kind, '-f', 'json'],
            capture_output=True, text=True, check=True).stdout
        found = json.loads(url)['endpoints'][0]['url']
        path = f'{found.removeprefix(suite.endpoint)}/volumes/{volume["id"]}'
        assert suite.client('reader').get(path)['volume']['id'] == volume['id']


@pytest.mark.parametrize('token', [None, 'x', 'g' * 200, '\xe4'])
def test_without_a_valid_token(suite, token):
    client = suite.client('reader', token=token or '-')
    if token is None:
        del client.headers['X-Auth-Token']
    answer = client.request('GET', 'volumes')
    assert answer.status == 401
    assert suite.keystone.url in answer.headers['www-authenticate']


def test_headers_of_an_identity_are_not_believed(suite):
    answer = suite.client('reader').request('POST', 'volumes', {'volume': {'size': 1}}, headers={
        'X-Roles': 'admin', 'X-User-Id': 'somebody', 'X-Is-Admin-Project': 'True',
        'X-Service-Roles': 'service', 'OpenStack-System-Scope': 'all'})
    assert answer.status == 403


def test_request_ids_reach_the_logs_of_all_daemons(suite):
    """The caller's own id and that of the request, where work begins and where it ends."""
    client = suite.client('member')

    def ask(method, path, body, verb, stages):
        sent = f'req-{uuid.uuid4()}'
        answer = client.request(method, path, body, headers={'X-OpenStack-Request-ID': sent})
        assert answer.status == 202, str(answer)
        ids = f'{sent} {answer.headers["x-openstack-request-id"]}'
        _logged(suite, 'api', ids)
        for stage, daemon in stages.items():
            for end in ('begins', 'ends'):
                _logged(suite, daemon, f'{ids}.* {verb} of volume .* {end} .{stage}')
        return answer

    volume = ask('POST', 'volumes', {'volume': {'size': 1}}, 'volume.create',
                 {'schedule': 'scheduler', 'execute': 'volume'}).json['volume']
    ask('POST', f'volumes/{volume["id"]}/action', {'os-extend': {'new_size': 2}}, 'volume.extend',
        {'execute': 'volume'})
    ask('DELETE', f'volumes/{volume["id"]}', None, 'volume.delete', {'execute': 'volume'})


def _logged(suite, daemon, pattern):
    log = suite.processes[daemon].log
    wait_until(lambda: re.search(pattern, log.read_text()), 30, f'{pattern} in {log}')


# --------------------------------------------------------------------------------- service tokens
@pytest.mark.parametrize(('token', 'status'), [
    ('service', 200), ('member', 401), ('forged', 401), ('revoked', 401)])
def test_service_token(suite, volume, token, status):
    tokens = {'service': suite.keystone.token('service'), 'forged': 'gAAAAA' + 'x' * 180,
              'member': suite.keystone.token('member'),
              'revoked': suite.keystone.token('service')}
    suite.keystone.revoke(tokens['revoked'])
    answer = suite.client('reader').request('GET', f'volumes/{volume["id"]}',
                                            headers={'X-Service-Token': tokens[token]})
    assert answer.status == status


def test_tokens_that_end(suite, volume):
    """An ended token opens nothing by itself, nor as a service's, though it is still cached; with
    a service's behind it, a user's does."""
    path = f'volumes/{volume["id"]}'
    mine, made = suite.keystone.short_lived('reader', 5)
    theirs, _made = suite.keystone.short_lived('service', 5)
    client = suite.client('reader', token=mine)
    service = {'X-Service-Token': suite.keystone.token('service')}
    late = {'X-Service-Token': theirs}
    assert client.request('GET', path).status in (200, 401)
    time.sleep(max(0, made + 6 - time.monotonic()))
    wait_until(lambda: suite.client('reader').request(
        'GET', path, headers=late).status == 401, 10, 'the service token to end')
    assert client.request('GET', path).status == 401
    assert client.request('GET', path, headers=service).status == 200
    # What was found out for a service is not there for the taking.
    assert client.request('GET', path).status == 401


def test_work_goes_on_when_the_token_has_ended(suite):
    volume_daemon = suite.processes['volume']
    pids = [volume_daemon.pid, *volume_daemon.children()]
    token, made = suite.keystone.short_lived('member', 6)
    client = suite.client('member', token=token)
    for pid in pids:
        subprocess.run(['kill', '-STOP', str(pid)], check=True)
    try:
        identity = client.create_volume(1)['id']
        time.sleep(max(0, made + 6.5 - time.monotonic()))
        assert client.request('GET', f'volumes/{identity}').status == 401
    finally:
        for pid in pids:
            subprocess.run(['kill', '-CONT', str(pid)], check=True)
    suite.client('member').wait_for_status('volume', identity, 'available')


def test_a_revoked_token_is_refused_after_the_cache_time(suite):
    token = suite.keystone.token('reader')
    client = suite.client('reader', token=token)
    assert client.request('GET', 'volumes').status == 200
    suite.keystone.revoke(token)
    wait_until(lambda: client.request('GET', 'volumes').status == 401, keystone.CACHE_SECONDS + 1,
               'the token to be refused')


# ------------------------------------------------------------------------------ Keystone's troubles
def test_keystone_is_away(suite):
    known, unknown = suite.client('reader'), suite.client(
        'reader', token=suite.keystone.token('reader'))
    assert known.request('GET', 'volumes').status == 200
    suite.keystone.kill9()
    try:
        assert known.request('GET', 'volumes').status == 200, 'the token is still cached'
        _unavailable(unknown)
    finally:
        suite.keystone.start()
    wait_until(lambda: unknown.request('GET', 'volumes').status == 200, 20, 'recovery')


def test_keystone_is_not_yet_there_when_the_api_starts(suite):
    api, token = suite.processes['api'], suite.keystone.token('reader')
    suite.keystone.kill9()
    try:
        begins = api.log.stat().st_size
        suite.restart('api')
        api.wait_for(suite.answers, 60)
        client = suite.client('reader', token=token)
        for _ in range(2):
            _unavailable(client)
    finally:
        suite.keystone.start()
    wait_until(lambda: client.request('GET', 'volumes').status == 200, 20, 'recovery')
    written = api.log.read_bytes()[begins:].decode()
    assert 'Traceback' not in written
    assert written.count('WARNING cinder.api.middleware.fault') == 2, written


def test_keystone_is_slow(suite):
    client = suite.client('reader', token=suite.keystone.token('reader'))
    suite.keystone.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        _unavailable(client)
        assert time.monotonic() - began < 15
    finally:
        suite.keystone.signal(signal.SIGCONT)
    wait_until(lambda: client.request('GET', 'volumes').status == 200, 20, 'recovery')


def _unavailable(client):
    answer = client.request('GET', 'volumes')
    assert (answer.status, answer.fault) == (503, 'serviceUnavailable'), str(answer)
    assert int(answer.headers['retry-after']) > 0


# -------------------------------------------------------------------------------- projects, start
def test_the_default_type_of_a_project_that_does_not_exist(suite):
    admin = suite.client('project-admin')
    there, nowhere = suite.keystone.projects['other'], uuid.uuid4().hex
    body = {'default_type': {'volume_type': '__DEFAULT__'}}
    assert admin.put(f'/v3/default-types/{there}', body)['default_type']['project_id'] == there
    answer = admin.request('PUT', f'/v3/default-types/{nowhere}', body)
    assert answer.status == 404 and nowhere in answer.json['itemNotFound']['message']


@pytest.mark.parametrize(('section', 'told'), [
    ('', 'set auth_type'), ('auth_type = password\n', 'auth_url'),
    ('auth_type = nonsense\n', 'nonsense')])
def test_start_without_a_way_to_ask_keystone(tmp_path, section, told):
    config = tmp_path / 'cinder.conf'
    config.write_text(f'[DEFAULT]\napi_paste_config = {ROOT}/etc/cinder/api-paste.ini\n'
                      f'osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = 0\n'
                      f'transport_url = fake:/\n[keystone_authtoken]\n{section}')
    done = subprocess.run([script('cinder-api'), '--config-file', config], capture_output=True,
                          text=True, timeout=60, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert last.startswith('cinder-api: ') and '[keystone_authtoken]' in last and told in last
