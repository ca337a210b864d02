# SPDX-License-Identifier: Apache-2.0
"""The context of a request, from Keystone's headers and from noauth's token."""
import pytest

from cinder.api.middleware import auth, fault
from cinder.conf import CONF

GLOBAL_ID = 'req-744c27dd-a23a-48fe-9906-3dc9e8abdb89'


def ask(middleware, **environ):
    """(status, context the application saw)."""
    seen, status = [], []

    def app(environ, start_response):
        seen.append(environ['cinder.context'])
        start_response('200 OK', [])
        return [b'']
    environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/abc/volumes',
               'openstack.request_id': 'req-1', **environ}
    middleware(app)(environ, lambda line, *_rest: status.append(int(line[:3])))
    return status[0], seen[0] if seen else None


def test_keystone():
    status, ctxt = ask(auth.KeystoneContext, HTTP_X_USER_ID='u', HTTP_X_PROJECT_ID='p',
                       HTTP_X_ROLES='member,reader', HTTP_X_SERVICE_ROLES='service',
                       HTTP_X_QUOTA_CLASS='q', HTTP_X_OPENSTACK_REQUEST_ID=GLOBAL_ID)
    assert status == 200
    assert (ctxt.user_id, ctxt.project_id, ctxt.roles, ctxt.is_admin) == (
        'u', 'p', ['member', 'reader'], False)
    assert (ctxt.service_roles, ctxt.quota_class) == (['service'], 'q')
    assert (ctxt.request_id, ctxt.global_request_id) == ('req-1', GLOBAL_ID)


def test_keystone_administrator():
    _status, ctxt = ask(auth.KeystoneContext, HTTP_X_USER_ID='u', HTTP_X_ROLES='Admin')
    assert ctxt.is_admin is True


def test_keystone_without_a_user():
    assert ask(auth.KeystoneContext) == (401, None)


@pytest.mark.parametrize(('token', 'user', 'project'), [
    ('u:p', 'u', 'p'), ('notused', 'notused', 'abc'), ('u:p:q', 'u', 'p:q'), ('', 'admin', 'abc')])
def test_noauth(token, user, project):
    _status, ctxt = ask(auth.NoAuthMiddleware, HTTP_X_AUTH_TOKEN=token)
    assert (ctxt.user_id, ctxt.project_id, ctxt.is_admin) == (user, project, True)
    assert ctxt.request_id == 'req-1'


def test_noauth_without_any_project():
    _status, ctxt = ask(auth.NoAuthMiddleware, PATH_INFO='/volumes')
    assert ctxt.project_id == auth.NOBODYS_PROJECT


@pytest.mark.parametrize(('sent', 'roles', 'admin'), [
    ('a, reader', ['a', 'reader'], False), ('member', ['member', 'reader'], False),
    ('', [''], False), ('admin', ['admin', 'member', 'reader'], True)])
def test_noauth_roles(sent, roles, admin):
    _status, ctxt = ask(auth.NoAuthMiddleware, HTTP_X_AUTH_TOKEN='u:p', HTTP_X_ROLES=sent)
    assert (ctxt.roles, ctxt.is_admin) == (roles, admin)


def test_inbound_ids_are_checked():
    _status, ctxt = ask(auth.NoAuthMiddleware, HTTP_X_OPENSTACK_REQUEST_ID='x\ny')
    assert ctxt.global_request_id is None


def test_pipeline_follows_auth_strategy():
    class Loader:
        def get_app(self, name):
            return [name]

        def get_filter(self, name):
            return lambda app: [name, *app]
    CONF.set_override('auth_strategy', 'noauth')
    try:
        made = auth.pipeline_factory(Loader(), {}, noauth='a b app', keystone='c app')
    finally:
        CONF.clear_override('auth_strategy')
    assert made == ['a', 'b', 'app']


def test_fault_wrapper_makes_the_request_id():
    seen = []

    def app(environ, start_response):
        start_response('200 OK', [])
        return [environ['openstack.request_id'].encode()]
    body, = fault.FaultWrapper(app)({}, lambda _line, headers: seen.extend(headers))
    assert dict(seen) == {'x-openstack-request-id': body.decode(),
                          'x-compute-request-id': body.decode()}
