# SPDX-License-Identifier: Apache-2.0
"""Clients that wait for events of running daemons, with green and with native threads: the example
of the page, many streams at a time, a kill while they are open."""
import contextlib
import json
import pathlib
import re
import socket
import subprocess
import textwrap
import uuid

import pytest

from tests.functional.processes import wait_until
from tests.functional.suite import ROOT, Node, Suite

STREAMS = 300
SECONDS = 60
# Threads of the process that are not those of listeners: the server of native threads has at most
# 100, of which this test needs a few.
MOST_THREADS = 110


@pytest.fixture(scope='module', params=['eventlet', 'threading'])
def service(request, workspace):
    """Everything in one process, with SQLite and no broker."""
    folder = workspace / f'events-{request.param}'
    suite = Suite(folder, f'sqlite:///{folder}/db.sqlite', 'fake:/', faults=False,
                  nodes=(Node('events', ('all',)),),
                  options={'DEFAULT': {'concurrency_backend': request.param}})
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()


@pytest.fixture
def client(service):
    return service.client(project=uuid.uuid4().hex)


class Stream:
    """An open stream.

    :ivar text: what was read.
    """

    def __init__(self, connection):
        self.connection, self.text = connection, b''

    def read_until(self, is_enough):
        while not is_enough(self.text):
            more = self.connection.recv(2 ** 16)
            assert more, self.text
            self.text += more

    def statuses(self, last):
        """Read until a volume has this status; return the (position, status) of all events."""
        end = f'"status":"{last}"'.encode()
        self.read_until(lambda text: end in text and text.endswith(b'\n\n\r\n'))
        found = [json.loads(line[6:]) for line in re.split(rb'\r?\n', self.text)
                 if line.startswith(b'data:')]
        return [(each['id'], each['resource']['status']) for each in found]


@contextlib.contextmanager
def stream(service, project, after=''):
    """Open a stream; provides it when its headers are read."""
    with socket.create_connection(('127.0.0.1', service.port), timeout=SECONDS) as connection:
        connection.sendall(
            f'GET /v3/{project}/events?wait=60{after} HTTP/1.1\r\nHost: x\r\n'
            f'X-Auth-Token: u:{project}\r\nAccept: text/event-stream\r\n\r\n'.encode())
        made = Stream(connection)
        made.read_until(lambda text: b':\n\n' in text)
        assert made.text.startswith(b'HTTP/1.1 200 OK'), made.text
        yield made


def test_the_example_of_the_page(service, client, tmp_path):
    page = (pathlib.Path(ROOT) / 'doc/source/events.rst').read_text()
    example = textwrap.dedent(re.search(r'Five lines.*?::\n\n(.*?)\n\n', page, re.DOTALL)[1])
    assert len(example.splitlines()) == 5
    with (tmp_path / 'out').open('w') as out:
        shell = subprocess.Popen(
            ['sh', '-c', example], stdout=out, stderr=subprocess.PIPE, env={
                'PATH': '/usr/bin:/bin', 'TOKEN': f'u:{client.project}',
                'URL': f'{service.endpoint}/v3/{client.project}'})
    try:
        # Its first request has its answer before the volume is created.
        wait_until(lambda: f'{client.project}/events HTTP' in service.tails(200), SECONDS,
                   'the example to begin')
        volume = client.ready_volume()
        wait_until(lambda: '"status":"available"' in (tmp_path / 'out').read_text(), SECONDS,
                   'the events of a volume')
    finally:
        shell.kill()
    found = [json.loads(line) for line in (tmp_path / 'out').read_text().splitlines()]
    assert {each['resource_id'] for each in found} == {volume['id']}
    assert found[0]['kind'] == 'create'
    assert [each['id'] for each in found] == sorted({each['id'] for each in found})


def test_many_streams_hold_no_threads(service, client):
    (pid,) = service.worker_pids('all')
    others = [uuid.uuid4().hex for _number in range(3)]
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(stream(service, project))
                for project in others for _number in range(STREAMS // 3 - 5)]
        mine = [stack.enter_context(stream(service, client.project)) for _number in range(15)]
        assert len(list(pathlib.Path(f'/proc/{pid}/task').iterdir())) < MOST_THREADS
        client.ready_volume()
        first, *rest = [each.statuses('available') for each in mine]
        assert all(each == first for each in rest)
        assert [position for position, _status in first] == sorted(
            position for position, _status in first)
        for each in idle:
            each.connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.text += each.connection.recv(2 ** 16)
            assert b'data:' not in each.text
    # Clients that have gone are forgotten.
    assert service.answers()


def test_nothing_is_lost_by_a_kill_while_listeners_wait(service, client):
    after = client.get('events')['position']
    with stream(service, client.project, f'&after={after}') as before:
        made = client.ready_volume()
        first = before.statuses('available')
        service.restart('all')
        service.wait_ready()
    client.delete(f'volumes/{made["id"]}')
    client.wait_gone('volumes', made['id'])
    with stream(service, client.project, f'&after={first[-1][0]}') as again:
        found = first + again.statuses('deleted')
    document = client.get(f'events?after={after}')
    assert found == [(each['id'], each['resource']['status']) for each in document['events']]
    assert [status for _position, status in found][-1] == 'deleted'
