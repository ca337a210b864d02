# SPDX-License-Identifier: Apache-2.0
"""What is believed of the headers of proxies."""
import random

import pytest

from cinder.api import urls, wsgi
from cinder.api.middleware import proxy
from cinder.conf import CONF

PLAIN = {'wsgi.url_scheme': 'http', 'HTTP_HOST': 'inside:8776', 'REMOTE_ADDR': '10.0.0.1',
         'SCRIPT_NAME': '/v3', 'REQUEST_METHOD': 'GET'}
INSIDE = ('http://inside:8776', '10.0.0.1', None)


@pytest.fixture(autouse=True)
def on():
    CONF.set_override('enable_proxy_headers_parsing', True, 'oslo_middleware')
    yield
    CONF.clear_override('enable_proxy_headers_parsing', 'oslo_middleware')


def seen(**headers):
    """Base of the links, address of the client, and address that the nearest proxy saw."""
    environ = {**PLAIN, **{f'HTTP_{name}': value for name, value in headers.items()}}
    proxy.ProxyHeaders(lambda environ, _start: environ)(environ, None)
    return (urls.base_url(wsgi.Request(environ)), environ['REMOTE_ADDR'],
            environ.get(proxy.NEAREST))


@pytest.mark.parametrize(('headers', 'base', 'client', 'nearest'), [
    ({}, *INSIDE),
    ({'X_FORWARDED_PROTO': 'https'}, 'https://inside:8776', *INSIDE[1:]),
    ({'X_FORWARDED_PROTO': 'https,http'}, 'https://inside:8776', *INSIDE[1:]),
    ({'X_FORWARDED_PROTO': ' HTTPS , http, http'}, 'https://inside:8776', *INSIDE[1:]),
    ({'X_FORWARDED_HOST': 'api.example.org, inside2'}, 'http://api.example.org', *INSIDE[1:]),
    ({'X_FORWARDED_HOST': '[2001:db8::1]:443'}, 'http://[2001:db8::1]:443', *INSIDE[1:]),
    ({'X_FORWARDED_FOR': '192.0.2.1'}, INSIDE[0], '192.0.2.1', '192.0.2.1'),
    ({'X_FORWARDED_FOR': '192.0.2.1, 10.0.0.7'}, INSIDE[0], '192.0.2.1', '10.0.0.7'),
    ({'X_FORWARDED_FOR': '2001:db8::2,192.0.2.9:4711'}, INSIDE[0], '2001:db8::2', '192.0.2.9'),
    ({'X_FORWARDED_PREFIX': '/block'}, 'http://inside:8776/block', *INSIDE[1:]),
    ({'X_FORWARDED_PREFIX': '/a/b/, /c'}, 'http://inside:8776/a/b', *INSIDE[1:]),
    ({'FORWARDED': 'for=192.0.2.60;proto=https;by=203.0.113.43'}, 'https://inside:8776',
     '192.0.2.60', '192.0.2.60'),
    ({'FORWARDED': 'For="[2001:db8:cafe::17]:4711"; Proto=HTTPS; host="a.example:8443", '
                   'for=10.1.1.1;proto=http;host=b'}, 'https://a.example:8443',
     '2001:db8:cafe::17', '10.1.1.1'),
    ({'FORWARDED': 'host="a,b;c", for=1.2.3.4'}, INSIDE[0], '10.0.0.1', '1.2.3.4'),
    ({'FORWARDED': 'for=_hidden, for=unknown'}, *INSIDE),
    # What Forwarded says counts; of what it does not say the older headers tell.
    ({'FORWARDED': 'proto=https', 'X_FORWARDED_PROTO': 'http', 'X_FORWARDED_HOST': 'h'},
     'https://h', *INSIDE[1:]),
    # The first proxy says nothing of it, and the others saw no client.
    ({'FORWARDED': 'for=192.0.2.1, proto=https;for=10.0.0.9'}, INSIDE[0], '192.0.2.1', '10.0.0.9'),
])
def test_lists_and_quotes(headers, base, client, nearest):
    assert seen(**headers) == (base, client, nearest)


@pytest.mark.parametrize('headers', [
    {'X_FORWARDED_PROTO': 'javascript'}, {'X_FORWARDED_PROTO': ','}, {'X_FORWARDED_PROTO': ''},
    {'X_FORWARDED_HOST': 'a b'}, {'X_FORWARDED_HOST': 'evil/path'}, {'X_FORWARDED_HOST': 'u@h'},
    {'X_FORWARDED_HOST': ',h'}, {'X_FORWARDED_HOST': 'h:999999'}, {'X_FORWARDED_HOST': '\xe4'},
    {'X_FORWARDED_FOR': 'unknown'}, {'X_FORWARDED_FOR': '1.2.3'}, {'X_FORWARDED_FOR': ';'},
    {'X_FORWARDED_PREFIX': 'block'}, {'X_FORWARDED_PREFIX': '//evil.org'},
    {'X_FORWARDED_PREFIX': '/a?b'}, {'X_FORWARDED_PREFIX': '/'},
    {'FORWARDED': 'proto'}, {'FORWARDED': 'proto="https'}, {'FORWARDED': '=;=,,;'},
    {'FORWARDED': 'proto=https x'}, {'FORWARDED': 'host="a\\"b"'}, {'FORWARDED': '"'}])
def test_garbage_says_nothing(headers):
    assert seen(**headers) == INSIDE


def test_any_characters_are_survived():
    pick = random.Random(8776)
    for _each in range(3000):
        value = ''.join(pick.choice('htps:=;,"\\ []f.1o/\xff\t') for _ in range(pick.randrange(40)))
        base, client, _nearest = seen(**{
            name: value for name in ('FORWARDED', 'X_FORWARDED_PROTO', 'X_FORWARDED_HOST',
                                     'X_FORWARDED_FOR', 'X_FORWARDED_PREFIX')})
        assert base.startswith(('http://', 'https://')) and ',' not in base and client


def test_off_nothing_is_believed():
    CONF.set_override('enable_proxy_headers_parsing', False, 'oslo_middleware')
    assert seen(FORWARDED='proto=https;host=h;for=1.2.3.4', X_FORWARDED_PREFIX='/x') == INSIDE


def test_lists_that_the_filter_of_the_library_leaves():
    environ = {**PLAIN, 'wsgi.url_scheme': 'https,http', 'HTTP_HOST': 'a.example, b'}
    assert urls.base_url(wsgi.Request(environ)) == 'https://a.example'
