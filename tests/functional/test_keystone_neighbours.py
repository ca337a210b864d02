# SPDX-License-Identifier: Apache-2.0
"""An API of two workers behind a real Keystone, with what operators switch on: the audit filter,
rates, a policy server, and tokens of the service for its neighbours."""

import json
import re
import sys
import time
import uuid

import pytest

from tests.fakes import neighbour
from tests.functional import storage
from tests.functional.processes import Process, free_port, listens, running, wait_until
from tests.functional.suite import ROOT, render, script

PASTE = ROOT / 'etc/cinder/api-paste.ini'
# Requests of a project per second and at once, for each worker.
RATE, BURST, WORKERS = 5, 20, 2


class Api:
    """The second API of an installation, beside the neighbour that it asks."""

    def __init__(self, suite, folder):
        self.suite, self.port, self.records = suite, free_port(), folder / 'records'
        keystone, port = suite.keystone, free_port()
        self.neighbour = Process(
            'neighbour', [sys.executable, '-m', 'tests.fakes.neighbour', str(port),
                          keystone.url.removesuffix('/v3'), self.records], folder / 'neighbour.log')
        self.asked = port
        self.compute = keystone.add_endpoint('compute', f'http://127.0.0.1:{port}/v2.1')
        paste = folder / 'api-paste.ini'
        paste.write_text(PASTE.read_text().replace(
            ' keystonecontext ', ' keystonecontext audit faultwrap ').replace(
            '/etc/cinder/api_audit_map.conf', f'{ROOT}/etc/cinder/api_audit_map.conf'))
        policy = folder / 'policy.yaml'
        policy.write_text(json.dumps({
            'volume:get_volume_metadata': 'not http://127.0.0.1:1/decide'}))
        identity = keystone.credentials()
        client = {name: value for name, value in identity.items()
                  if name not in ('www_authenticate_uri', 'interface')}
        groups = suite.configuration(suite.nodes[0])
        for group, values in {
                'DEFAULT': {'osapi_volume_listen_port': self.port, 'osapi_volume_workers': WORKERS,
                            'api_paste_config': paste, 'api_project_rate': RATE,
                            'api_project_burst': BURST},
                'oslo_policy': {'policy_file': policy},
                'audit_middleware_notifications': {'driver': 'log'},
                'keystone_authtoken': {'auth_url': f'http://127.0.0.1:{port}/v3'},
                'nova': client,
                'service_user': client | {'send_service_user_token': True}}.items():
            groups[group] = groups.get(group, {}) | values
        config = folder / 'cinder.conf'
        config.write_text(render(groups))
        self.process = Process('cinder-api of two', [script('cinder-api'), '--config-file', config],
                               folder / 'api.log', suite.environment())

    def client(self, persona):
        client = self.suite.client(persona)
        client.endpoint = f'http://127.0.0.1:{self.port}'
        return client

    def log(self):
        return self.process.log.read_text()

    def seen(self, path):
        """What the neighbour wrote down about a path."""
        rows = map(json.loads, self.records.read_text().splitlines())
        return [row for row in rows if row['path'] == path]

    def events(self, kind, request_path):
        """CADF events of one kind (request or response) about a path."""
        found = re.findall(r'oslo\.messaging\.notification\.audit\.http\.' + kind
                           + r' .*?(\{.*\})', self.log())
        payloads = [json.loads(text)['payload'] for text in found]
        return [each for each in payloads if each['requestPath'] == request_path]


@pytest.fixture(scope='module')
def started(guarded, tmp_path_factory):
    made = Api(guarded, tmp_path_factory.mktemp('neighbours'))
    with running(made.neighbour, lambda: listens(made.asked)), running(
            made.process, lambda: listens(made.port)):
        yield made
    # The clients of later tests would look for it.
    guarded.keystone.remove_service(made.compute)


@pytest.fixture
def api(guarded, started):
    guarded.ensure_running()
    return started


def test_the_audit_filter_tells_who_did_what(api):
    keystone = api.suite.keystone
    users = {user['name']: user['id'] for user in keystone.call('GET', '/users')['users']}
    client, nothing = api.client('manager'), uuid.uuid4()
    path = f'/v3/{client.project}/volumes'
    assert client.request('POST', path, {'volume': {'size': 1}}).status == 202
    assert client.request('GET', f'{path}/{nothing}').status == 404
    wait_until(lambda: api.events('response', f'{path}/{nothing}'), 10, 'the events')
    asked, = api.events('request', path)
    told, = api.events('response', path)
    for event in (asked, told):
        assert event['initiator']['id'] == users['manager']
        assert event['initiator']['project_id'] == keystone.projects['own']
        assert (event['id'], event['action']) == (asked['id'], 'create')
    assert (told['outcome'], told['reason']['reasonCode']) == ('success', '202')
    failed, = api.events('response', f'{path}/{nothing}')
    assert (failed['outcome'], failed['reason']['reasonCode']) == ('failure', '404')
    assert client.headers['X-Auth-Token'] not in api.log()


def test_each_worker_slows_a_project_down_and_no_other(api):
    began, answers = time.monotonic(), []
    for _ in range(2 * WORKERS * BURST):
        # A connection stays with a worker.
        answers.append(api.client('other-reader').request('GET', 'volumes'))
    statuses = [answer.status for answer in answers]
    most = WORKERS * (BURST + RATE * (time.monotonic() - began) + 1)
    assert BURST <= statuses.count(200) <= most and set(statuses) == {200, 429}
    late = next(answer for answer in answers if answer.status == 429)
    assert late.fault == 'overLimit'
    seconds = int(late.headers['retry-after'])
    assert seconds >= 1 and late.json['overLimit']['retryAfter'] == str(seconds)
    assert api.client('reader').request('GET', 'volumes').status == 200
    time.sleep(seconds)
    assert api.client('other-reader').request('GET', 'volumes').status == 200


def test_a_policy_server_that_is_away(api):
    volume = api.suite.client('member').ready_volume()
    answer = api.client('reader').request('GET', f'volumes/{volume["id"]}/metadata')
    assert (answer.status, answer.fault) == (503, 'serviceUnavailable'), str(answer)
    assert int(answer.headers['retry-after']) > 0
    assert 'PolicyUndecided' in api.log() and 'Traceback' not in api.log()


def test_keystone_is_asked_with_a_token_of_the_service_beside_the_callers(api):
    # No test gives this project a default type.
    project = api.suite.keystone.projects['services']
    answer = api.client('project-admin').request('GET', f'/v3/default-types/{project}')
    assert answer.status == 404, str(answer)
    seen, = api.seen(f'/v3/projects/{project}')
    assert (seen['X-Auth-Token'], seen['X-Service-Token']) == ('project-admin', 'service')


def test_the_compute_service_is_asked_as_the_service(api):
    volume, client = api.suite.client('member').ready_volume()['id'], api.client('member')

    def attach(server):
        # Of a mere reservation, without connector, the compute service is not asked.
        return client.post('attachments', {'attachment': {
            'volume_uuid': volume, 'instance_uuid': server,
            'connector': storage.CONNECTOR}})['attachment']['id']
    used, gone = f'{neighbour.HAS_ALL}{str(uuid.uuid4())[8:]}', str(uuid.uuid4())
    attachment = attach(used)
    assert client.request('DELETE', f'attachments/{attachment}').status == 409
    seen, = api.seen(f'/v2.1/servers/{used}/os-volume_attachments/{volume}')
    assert seen['X-Auth-Token'] == 'service'
    token = api.suite.keystone.token('service')
    assert client.request('DELETE', f'attachments/{attachment}',
                          headers={'X-Service-Token': token}).status == 200
    assert client.request('DELETE', f'attachments/{attach(gone)}').status == 200
