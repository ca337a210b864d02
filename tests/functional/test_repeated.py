# SPDX-License-Identifier: Apache-2.0
"""Requests that are repeated or wait, on the shared daemons: with one key at the same time on two
hosts, after kill -9 at the commit, and until their operation has ended.

REPEATED_RUNS says how often two requests are sent at the same time (default 20).
"""
import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import uuid

import pytest

from tests.functional.client import CUT_OFF, Client
from tests.functional.processes import Process, free_port, wait_until
from tests.functional.suite import REQUEST, Node, render, script

RUNS = int(os.environ.get('REPEATED_RUNS', '20'))
REFUSED_SIZE = 77  # by the filter function of the suite
# Seconds from the end of an operation to the answer: promised, and added by a busy machine.
PROMISED, ADDED = 0.02, 0.03


def key():
    return {'Idempotency-Key': str(uuid.uuid4())}


@pytest.fixture
def other_host(suite):
    """An API on another host: its own process, port and host name; the same database."""
    port, config = free_port(), suite.directory / 'other.conf'
    options = suite.configuration(Node('other', ('api',)))
    options['DEFAULT'] |= {'osapi_volume_listen_port': port}
    config.write_text(render(options))
    process = Process('cinder-api on other', [script('cinder-api'), '--config-file', config],
                      suite.directory / 'logs' / 'api-other.log', suite.environment())
    process.start()
    try:
        endpoint = f'http://127.0.0.1:{port}'
        probe = Client(endpoint, timeout=5)

        def answers():
            with contextlib.suppress(*CUT_OFF):
                return probe.request('GET', '/healthcheck').status == 200
        wait_until(answers, 60, lambda: f'the second API\n{process.tail(20)}')
        yield endpoint
    finally:
        process.stop()


def test_two_at_the_same_time(suite, client, other_host):
    """One resource, and one answer for both."""
    clients = [client, Client(other_host, project=client.project)]
    begin = threading.Barrier(2)

    def send(each, number, headers):
        begin.wait()
        return each.request('POST', 'volumes', {'volume': {'size': 1, 'name': f'v{number}'}},
                            headers=headers)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number in range(RUNS):
            headers = key()
            first, second = pool.map(send, clients, [number] * 2, [headers] * 2)
            assert (first.status, first.raw) == (second.status, second.raw), number
            assert first.status == 202, first
            replayed = [each.headers.get('idempotent-replayed') for each in (first, second)]
            assert sorted(map(str, replayed)) == ['None', 'true']
    names = [row['name'] for row in client.get('volumes')['volumes']]
    assert sorted(names) == sorted(f'v{number}' for number in range(RUNS))


CONNECTOR = {'host': 'node', 'ip': '127.0.0.1', 'initiator': 'iqn.1993-08.org.debian:01:repeated'}
# What is sent about a volume: path, body, list with what it makes (None: it makes nothing), and the
# fields of the answer that are looked at.
REQUESTS = {
    'create': ('volumes', {'volume': {'size': 1}}, 'volumes', {'status': 'creating'}),
    'extend': ('volumes/<volume>/action', {'os-extend': {'new_size': 2}}, None, {}),
    'snapshot': ('snapshots', {'snapshot': {'volume_id': '<volume>'}}, 'snapshots',
                 {'status': 'creating'}),
    # It calls the back end between its commit and its answer.
    'attachment': ('attachments', {'attachment': {'volume_uuid': '<volume>',
                                                  'connector': CONNECTOR}}, 'attachments',
                   {'status': 'reserved'}),
}


@pytest.mark.parametrize('point', REQUEST)
@pytest.mark.parametrize('kind', REQUESTS)
def test_killed_at_the_commit(suite, client, oracle, kind, point):
    """The repeated request has the effect and the answer of the first one."""
    volume, headers = client.ready_volume()['id'], key()
    path, body, made, fields = json.loads(
        json.dumps(REQUESTS[kind]).replace('<volume>', volume))
    before = len(client.get(made)[made]) if made else 0
    with suite.killed_at(point), contextlib.suppress(*CUT_OFF):
        client.request('POST', path, body, headers=headers)
    suite.ensure_running()
    answer = client.request('POST', path, body, headers=headers)
    assert answer.status in (200, 202), answer
    assert ('idempotent-replayed' in answer.headers) == point.endswith('after')
    if made:
        name = made.removesuffix('s')
        shown = answer.json[name]
        assert {field: shown[field] for field in fields} == fields
        assert len(client.get(made)[made]) == before + 1
        if kind == 'attachment':
            assert shown['connection_info']
            client.delete(f'attachments/{shown["id"]}')
        else:
            client.wait_for_status(name, shown['id'], 'available')
    again = client.request('POST', path, body, headers=headers)
    assert kind == 'attachment' or (again.status, again.raw) == (answer.status, answer.raw)
    if kind == 'attachment':  # its key was free again
        client.delete(f'attachments/{again.json["attachment"]["id"]}')
    client.wait_for_status('volume', volume, 'available')
    if kind == 'extend':
        assert client.show('volume', volume)['size'] == 2
    oracle.check()


def test_killed_at_the_commit_of_a_transfer(suite, client):
    """Its key is only in the answer."""
    volume, headers = client.ready_volume(), key()
    body = {'transfer': {'volume_id': volume['id']}}
    with suite.killed_at('request:commit:after'), contextlib.suppress(*CUT_OFF):
        client.request('POST', 'volume-transfers', body, headers=headers)
    suite.ensure_running()
    transfer = client.post('volume-transfers', body, headers=headers)['transfer']
    client.post(f'volume-transfers/{transfer["id"]}/accept',
                {'accept': {'auth_key': transfer['auth_key']}}, headers=key())
    client.wait_for_status('volume', volume['id'], 'available')


def ended(client, volume_id):
    """When the operation of a volume has ended, by the clock of this host."""
    seen = client.get(f'volumes/{volume_id}')['volume']
    return datetime.datetime.fromisoformat(seen['updated_at']).replace(
        tzinfo=datetime.UTC).timestamp()


def test_wait(client):
    """The answer comes as soon as the volume is available."""
    delays = []
    for _attempt in range(5):
        answer = client.request('POST', 'volumes', {'volume': {'size': 1}},
                                headers={'Prefer': 'wait=30'})
        arrived = datetime.datetime.now(datetime.UTC).timestamp()
        volume = answer.json['volume']
        assert (answer.status, volume['status']) == (202, 'available')
        assert answer.headers['preference-applied'] == 'wait=30'
        assert answer.headers['x-openstack-request-id'].startswith('req-')
        delays.append(arrived - ended(client, volume['id']))
    assert min(delays) < PROMISED + ADDED, delays
    answer = client.request('DELETE', f'volumes/{volume["id"]}', headers={'Prefer': 'wait=30'})
    assert (answer.status, answer.headers['preference-applied']) == (202, 'wait=30')
    assert client.request('GET', f'volumes/{volume["id"]}').status == 404


def test_wait_for_a_failure(client):
    headers = {'Prefer': 'wait=30'} | key()
    body = {'volume': {'size': REFUSED_SIZE}}
    answer = client.request('POST', 'volumes', body, headers=headers)
    failed, = client.get('volumes')['volumes']
    assert answer.status == 409 and answer.fault == 'conflictingRequest', answer
    text = answer.json['conflictingRequest']['message']
    assert text.startswith(f'create of volume {failed["id"]} was accepted and has failed: ')
    # Its key is free again.
    assert client.request('POST', 'volumes', body, headers=headers).status == 409
    assert len(client.get('volumes')['volumes']) == 2


def test_a_repeated_request_waits_for_the_operation_of_the_first(client):
    headers, body = key(), {'volume': {'size': 1}}
    first = client.post('volumes', body, headers=headers)['volume']
    answer = client.request('POST', 'volumes', body, headers=headers | {'Prefer': 'wait=30'})
    assert answer.json['volume']['id'] == first['id']
    assert answer.json['volume']['status'] == 'available'


@pytest.mark.skipif(shutil.which('curl') is None, reason='curl is not installed')
def test_commands_of_the_page(suite, client):
    """The curl commands of doc/source/clients.rst, as they are there."""
    page = (pathlib.Path(__file__).parents[2] / 'doc/source/clients.rst').read_text()
    blocks = re.findall(r'::\n\n((?:    .*\n|\n)+)', page)
    # Those about faults are run by test_testing.py.
    commands = [block.partition('\n\n')[0] for block in blocks
                if 'curl' in block and '/faults' not in block]
    assert len(commands) == 4
    answers = [json.loads(subprocess.run(
        ['sh', '-c', command], check=True, capture_output=True, text=True, env={
            **os.environ, 'TOKEN': client.headers['X-Auth-Token'],
            'URL': f'{suite.endpoint}/v3/{client.project}'}).stdout)
        for command in (*commands, commands[1])]
    waited, repeated, trash, operations, again = answers
    assert trash['trash'] == []
    assert waited['volume']['status'] == 'available'
    assert repeated == again and repeated['volume']['id'] != waited['volume']['id']
    shown = re.search(r'{"operations".*?}\]}', page, re.DOTALL)[0].replace('...]', ']')
    fields = set(json.loads(shown)['operations'][0]) | {'service', 'attempt'}
    assert all(set(row) == fields for row in client.get('operations')['operations'])
    assert isinstance(operations['operations'], list)
