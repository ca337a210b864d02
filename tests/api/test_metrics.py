# SPDX-License-Identifier: Apache-2.0
"""/metrics next to the API: what it counts, and who may read it."""
import pytest

from cinder import exception, metrics
from cinder.api import paste_file
from cinder.api.middleware import measured as middleware
from cinder.conf import CONF
from cinder.db import deployment, services, session
from tests.api.client import PASTE, Api
from tests.fakes import daemons as fake_daemons
from tests.fakes import measured
from tests.fakes.daemons import ADMIN


@pytest.fixture
def counted(tmp_path):
    CONF.set_override('enabled', True, 'metrics')
    with measured.counted(tmp_path) as page:
        yield page
    CONF.clear_override('enabled', 'metrics')


@pytest.fixture
def served(counted, api):
    return Api(middleware.measured(paste_file.load(str(PASTE))))


def read(api, **kwargs):
    answer = api.request('GET', '/metrics', bare=True, **kwargs)
    return measured.samples(answer.body) if answer.status == 200 else answer.fault(answer.status)


def test_requests_are_counted_by_route(served, volume):
    for _time in range(2):
        served.get(f'/volumes/{volume["id"]}')
    served.get('/volumes/nothing')
    served.request('BREW', '/volumes', bare=True)
    found = read(served)
    name, route = 'cinder_api_requests_total', ('route', '/volumes/{volume_id}')
    assert found[name, ('code', '200'), ('method', 'GET'), route] == 2
    assert found[name, ('code', '404'), ('method', 'GET'), route] == 1
    assert found[name, ('code', '404'), ('method', 'other'), ('route', 'other')] == 1
    assert found['cinder_api_request_seconds_count', ('method', 'GET'), route] == 3


def test_the_deployment_is_reported(served, database):
    row = services.create(ADMIN, {
        'host': 'a@b', 'binary': 'cinder-volume', 'topic': 't', 'updated_at': None})
    services.update(ADMIN, row.id, {'updated_at': session.utcnow()})
    found = read(served)
    labels = ('binary', 'cinder-volume'), ('service', 'a@b')
    assert found['cinder_service_state', *labels, ('state', 'up')] == 1
    assert found['cinder_service_state', *labels, ('state', 'down')] == 0
    assert found['cinder_database_up',] == 1
    assert found['cinder_notifications_waiting',] == found['cinder_events_kept',] == 0


def test_one_statement_for_a_scrape(served, statements):
    read(served)
    statements.clear()
    read(served)
    assert len(statements) == 1
    CONF.set_override('deployment', False, 'metrics')
    statements.clear()
    try:
        assert 'cinder_database_up' not in {key[0] for key in read(served)}
    finally:
        CONF.clear_override('deployment', 'metrics')
    assert statements == []


def test_quotas_of_the_largest_projects(served, daemons, statements):
    for project, size in (('small', 1), ('large', 7), ('middle', 3)):
        fake_daemons.volume(project, size=size)
    served.put('/os-quota-sets/large', {'quota_set': {'volumes': 5}})
    CONF.set_override('quota_projects', 2, 'metrics')
    try:
        found = read(served)
        statements.clear()
        read(served)
    finally:
        CONF.clear_override('quota_projects', 'metrics')
    quotas = {tuple(dict(key[1:]).values()): value for key, value in found.items()
              if key[0].startswith('cinder_quota')}
    assert {project for project, _name in quotas} == {'large', 'middle'}
    labels = ('project', 'large'), ('quota', 'gigabytes')
    assert found['cinder_quota_used', *labels] == 7
    assert found['cinder_quota_limit', *labels] == CONF.quota_gigabytes
    assert found['cinder_quota_limit', ('project', 'large'), ('quota', 'volumes')] == 5
    # They are read once a minute.
    assert len(statements) == 1


def test_without_a_database_the_rest_is_reported(served, monkeypatch):
    def fail(_ctxt):
        raise exception.DatabaseUnavailable()
    monkeypatch.setattr(deployment, 'survey', fail)
    served.get('/volumes/detail')
    found = read(served)
    assert found['cinder_database_up',] == 0
    assert any(key[0] == 'cinder_api_requests_total' for key in found)


def test_only_administrators_may_read(served):
    assert 'metrics:get' in read(served.as_roles('member'))


NETWORKS = ['192.0.2.0/24', '2001:db8::/32']


@pytest.mark.parametrize(('address', 'headers', 'allowed'), [
    ('192.0.2.9', {}, True), ('2001:db8::9', {}, True), ('198.51.100.1', {}, False),
    ('192.0.2.9', {'X-Forwarded-For': '192.0.2.9'}, False),
    ('192.0.2.9', {'Forwarded': 'for=192.0.2.9'}, False), ('', {}, False)])
def test_an_allowed_network_needs_no_token(counted, api, address, headers, allowed):
    CONF.set_override('allowed_networks', NETWORKS, 'metrics')
    try:
        application = paste_file.load(str(PASTE))
    finally:
        CONF.clear_override('allowed_networks', 'metrics')

    def of_address(environ, start_response):
        return application({**environ, 'REMOTE_ADDR': address}, start_response)
    answer = Api(of_address, roles='nobody').request('GET', '/metrics', bare=True, headers=headers)
    assert (answer.status == 200) == allowed


@pytest.mark.parametrize(('method', 'path'), [('GET', '/metrics/x'), ('POST', '/metrics')])
def test_it_has_nothing_else(served, method, path):
    assert served.request(method, path, bare=True).status == 404


def test_it_is_unknown_while_it_is_off(api):
    assert not metrics.is_on()
    assert api.request('GET', '/metrics', bare=True).status == 404
