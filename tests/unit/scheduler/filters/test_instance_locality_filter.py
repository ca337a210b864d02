# SPDX-License-Identifier: Apache-2.0
"""The host of a server, as a fake compute service tells it."""
import pytest

from cinder import compute
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.instance_locality_filter import InstanceLocalityFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import compute as fake
from tests.fakes import scheduler as fakes

SERVER = '6d9f6ab0-4d0e-4d0c-8f6b-0c1f0c6f6d53'


def refuse(host='n1@b', hint=SERVER):
    spec = fakes.request(scheduler_hints={'local_to_instance': hint} if hint else {}, facts={})
    check = InstanceLocalityFilter(fakes.options())
    check.prepare(None, spec)
    pool = Pool('p', {}, Capacity.from_report(fakes.report()), host)
    reason, test = check.refuse(pool, spec), check.test(spec)
    assert (reason is None) is (test is None or test(pool))
    return reason


@pytest.fixture
def nova():
    with fake.running() as server:
        server.hosts[SERVER] = 'n1'
        yield server


def test_pool_on_the_host_of_the_server(nova):
    assert refuse() is None
    assert refuse('n2@b') == ('not on the host of the server of the hint local_to_instance',
                              'that is n1')
    assert refuse(hint=SERVER.upper().replace('-', '')) is None
    assert nova.timeouts == [10, 10, 10]


def test_nobody_is_asked_without_the_hint(nova):
    assert refuse('n2@b', hint=None) is None
    assert nova.seen == []


def test_server_that_does_not_exist_or_has_no_host(nova):
    for nova.hosts in ({}, {SERVER: None}):
        assert refuse().detail == 'it has none'


def test_compute_service_that_does_not_answer(nova):
    nova.silent = True
    reason = refuse()
    assert 'cannot be found out now' in reason.words
    assert 'nobody listens' in reason.detail and 'nobody' not in reason.words


def test_no_compute_service():
    compute._client.cache_clear()
    assert 'no credentials' in refuse().detail
