# SPDX-License-Identifier: Apache-2.0
"""Asking an identity service, here a small HTTP server, whether a project exists."""
import http.server
import threading

import pytest
from keystoneauth1 import loading

from cinder import exception
from cinder.api import identity
from cinder.conf import CONF

SECTION = 'keystone_authtoken'
STATUSES = {'there': 200, 'gone': 404, 'hidden': 403}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers['X-Auth-Token']))
        self.send_response(STATUSES[self.path.rpartition('/')[2]])
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_args):
        """Nothing."""


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    made.seen = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(params=['', '/v3'])
def keystone(request, server, ctxt):
    """Options that name the server, and a caller with a token."""
    loading.register_auth_conf_options(CONF, SECTION)
    CONF.register_opts(loading.get_auth_plugin_conf_options('v3password'), SECTION)
    CONF.set_override('auth_strategy', 'keystone')
    CONF.set_override('auth_type', 'v3password', SECTION)
    CONF.set_override('auth_url', f'http://127.0.0.1:{server.server_port}{request.param}', SECTION)
    ctxt.auth_token = 'secret'
    yield server
    for name in ('auth_type', 'auth_url'):
        CONF.clear_override(name, SECTION)
    CONF.clear_override('auth_strategy')


def test_with_the_token_of_the_caller(keystone, ctxt):
    identity.require_project(ctxt, 'there')
    assert keystone.seen == [('/v3/projects/there', 'secret')]


def test_no_such_project(keystone, ctxt):
    with pytest.raises(exception.ProjectNotFound, match='gone'):
        identity.require_project(ctxt, 'gone')


def test_one_that_may_not_be_looked_at_is_taken_for_real(keystone, ctxt):
    identity.require_project(ctxt, 'hidden')
    assert len(keystone.seen) == 1


def test_a_silent_service(keystone, ctxt):
    keystone.server_close()
    keystone.shutdown()
    with pytest.raises(exception.ServiceUnavailable):
        identity.require_project(ctxt, 'there')


def test_without_one_nobody_is_asked(server, ctxt):
    CONF.set_override('auth_strategy', 'noauth')
    try:
        identity.require_project(ctxt, 'there')
    finally:
        CONF.clear_override('auth_strategy')
    assert server.seen == []
