# SPDX-License-Identifier: Apache-2.0
"""The tokens that go out to other services; with a Keystone, tests/functional/test_keystone.py."""
import pytest
from keystoneauth1 import session as sessions

from cinder import exception, service_user
from cinder.conf import CONF
from cinder.conf.service_user import GROUP


@pytest.fixture
def sending():
    service_user.plugin.cache_clear()
    CONF.set_override('send_service_user_token', True, GROUP)
    yield
    CONF.clear_override('send_service_user_token', GROUP)
    service_user.plugin.cache_clear()


def test_the_callers_token_alone(ctxt):
    ctxt.auth_token = 'secret'
    headers = service_user.auth(ctxt, 'http://there').get_headers(sessions.Session())
    assert headers['X-Auth-Token'] == 'secret' and 'X-Service-Token' not in headers


def test_the_url_is_the_one_that_is_given(ctxt):
    ctxt.auth_token = 'secret'
    assert service_user.auth(ctxt, 'http://there').get_endpoint(None) == 'http://there'


def test_without_an_identity_the_options_are_named(sending, ctxt):
    with pytest.raises(exception.InvalidConfigurationValue, match='auth_type') as raised:
        service_user.auth(ctxt, 'http://there')
    assert f'[{GROUP}]' in str(raised.value)
