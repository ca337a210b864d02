# SPDX-License-Identifier: Apache-2.0
"""429 as clients see it, through the pipeline of etc/cinder/api-paste.ini; off by default."""
import contextlib

import pytest
from paste import deploy

from cinder.conf import CONF
from tests.api.client import PASTE, Api


@contextlib.contextmanager
def limited(**options):
    for name, value in options.items():
        CONF.set_override(name, value)
    try:
        yield Api(deploy.loadapp(f'config:{PASTE}', name='osapi_volume'))
    finally:
        for name in options:
            CONF.clear_override(name)


@pytest.fixture
def project_limited(api):
    # So slow that nothing comes back while the test runs.
    with limited(api_project_rate=0.01, api_project_burst=3) as client:
        yield client


def test_one_project_is_slowed_down_and_no_other(project_limited):
    for _ in range(3):
        assert project_limited.get('/volumes').status == 200
    answer = project_limited.get('/volumes')
    assert 'Too many requests' in answer.fault(429)
    seconds = answer.headers['Retry-After']
    assert 90 <= int(seconds) <= 100
    assert answer.json['overLimit']['retryAfter'] == seconds
    assert answer.headers['x-openstack-request-id'].startswith('req-')
    other = project_limited.as_roles('member', project='ffffffffffffffffffffffffffffffff')
    assert other.get('/volumes').status == 200


def test_addresses_without_a_token(api):
    with limited(api_address_rate=0.01, api_address_burst=2) as client:
        bare = {'X-Auth-Token': None}
        answers = [client.request('GET', '/', bare=True, headers=bare).status for _ in range(2)]
        assert answers == [300, 300]
        client.request('GET', '/', bare=True, headers=bare).fault(429)
        assert client.request('GET', '/healthcheck', bare=True, headers=bare).status == 200


@pytest.mark.parametrize('options', [
    {}, {'api_rate_limit': False, 'api_project_rate': 0.01, 'api_project_burst': 1}])
def test_off(api, options):
    with limited(**options) as client:
        assert {client.get('/volumes').status for _ in range(5)} == {200}
