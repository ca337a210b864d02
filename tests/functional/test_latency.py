# SPDX-License-Identifier: Apache-2.0
"""No size of an answer or of a request body waits for the network stack, whichever server the API
runs in; see latency.py for how waiting is told from work."""

import pytest

from tests.functional import latency

ROUNDS = 10


@pytest.fixture(scope='module')
def installation(workspace):
    return latency.Installation(workspace / 'latency')


@pytest.fixture(scope='module', params=latency.SERVERS)
def server(request, installation):
    if not latency.installed(request.param):
        pytest.skip(f'{request.param} is not installed for this Python')
    with installation.served(request.param) as server:
        yield server


def waits(server, pieces, status, **kwargs) -> float:
    """Return the seconds that a request waits at each of some attempts, 0 for work alone."""
    limit = latency.WAIT / 2
    found = latency.measure(server, pieces, status, ROUNDS, enough=limit, **kwargs)
    return found.waited if found.waited > limit else 0


def test_answers(server):
    found = {number: waits(server, latency.page(number), 200) for number in latency.PAGES}
    assert not any(found.values()), f'seconds waited by number of volumes: {found}'


def test_request_bodies(server):
    found = {(size, way): waits(server, pieces, 400, expects=way == 'Expect')
             for size in latency.BODIES for way, pieces in latency.bodies(size).items()
             if way not in latency.UNKNOWN.get(server.kind, ())}
    found = {key: seconds for key, seconds in found.items() if seconds}
    assert not found, f'seconds waited by bytes and way: {found}'
