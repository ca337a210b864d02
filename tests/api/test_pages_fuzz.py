# SPDX-License-Identifier: Apache-2.0
"""Random requests to the paths next to /v3 never make the service fail: PAGES_FUZZ_REQUESTS has
their number, PAGES_FUZZ_SEED where the numbers begin."""
import os
import random

import pytest
import webob

from cinder import exception
from cinder.api import paste_file
from cinder.api.dashboard import data, identity
from cinder.conf import CONF
from tests.api.client import PASTE
from tests.fakes import measured

REQUESTS = int(os.environ.get('PAGES_FUZZ_REQUESTS', '80'))
SEED = int(os.environ.get('PAGES_FUZZ_SEED', '0'))
METHODS = ('GET', 'GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'BREW')
PATHS = ('/dashboard', '/dashboard/', '/dashboard/login', '/dashboard/logout',
         '/dashboard/style.css', '/dashboard/../v3', '/dashboard//', '/dashboard/%ff%00',
         '/metrics', '/metrics/', '/metrics/x', '/readyz', '/readyz/%c3%28')
TEXTS = ('', 'x', '0', '-1', '\xff\xfe', '<script>', '%00', 'a' * 5000, '\u2028', "' or 1=1",
         'a=b; c', ':::', '127.0.0.1', 'null', '[]', 'multipart/form-data; boundary=x',
         'application/x-www-form-urlencoded', 'application/json', 'user:project', 'text/html')
HEADERS = ('X-Auth-Token', 'X-Roles', 'Cookie', 'Origin', 'Host', 'Content-Type', 'Accept',
           'X-Forwarded-For', 'Forwarded', 'X-Forwarded-Prefix', 'OpenStack-API-Version',
           'X-OpenStack-Request-ID', 'Content-Length')
FIELDS = ('form', 'user', 'password', 'project', 'token', 'user_domain', 'refresh')


@pytest.fixture(params=['noauth', 'keystone'])
def application(request, api, tmp_path, monkeypatch):
    data.cached.clear()
    monkeypatch.setattr(identity, '_ask_keystone', refuse)
    CONF.set_override('auth_strategy', request.param)
    CONF.set_override('enabled', True, 'dashboard')
    CONF.set_override('enabled', True, 'metrics')
    path = tmp_path / 'paste.ini'
    path.write_text(PASTE.read_text().replace(' authtoken ', ' '))
    with measured.counted(tmp_path):
        yield paste_file.load(str(path))
    CONF.clear_override('auth_strategy')
    for group in ('dashboard', 'metrics'):
        CONF.clear_override('enabled', group)


def refuse(_fields):
    raise exception.NotAuthorized('wrong')


def made_up(pick):
    """Return a random request."""
    query = '&'.join(f'{pick.choice(FIELDS)}={pick.choice(TEXTS)}'
                     for _field in range(pick.randrange(3)))
    environ = webob.Request.blank('/').environ
    environ |= {'REQUEST_METHOD': pick.choice(METHODS), 'REMOTE_ADDR': pick.choice(TEXTS),
                'PATH_INFO': pick.choice(PATHS), 'QUERY_STRING': query}
    request = webob.Request(environ)
    request.body = '&'.join(
        f'{pick.choice(FIELDS)}={pick.choice(TEXTS)}' for _field in range(pick.randrange(5))
    ).encode('utf-8', 'surrogateescape') if pick.random() < 0.7 else pick.randbytes(40)
    for _header in range(pick.randrange(5)):
        name = pick.choice(HEADERS).upper().replace('-', '_')
        text = pick.choice(TEXTS).encode().decode('latin-1')
        request.environ[name if name.startswith('CONTENT') else f'HTTP_{name}'] = text
    return request


def test_no_request_makes_the_service_fail(application, caplog):
    pick = random.Random(SEED)
    failed = []
    for number in range(REQUESTS):
        request = made_up(pick)
        told = {key: value for key, value in request.environ.items() if isinstance(value, str)}
        try:
            status = request.get_response(application).status_int
        except Exception as exc:
            status = repr(exc)
        # A scheduler that answers is not there.
        if not isinstance(status, int) or status >= 500 and status != 501:
            failed.append((number, status, told))
    assert failed == []
