# SPDX-License-Identifier: Apache-2.0
"""The API's socket and what it refuses; a fake loader stands in for paste."""
import contextlib
import os
import socket

import pytest

from cinder import concurrency, exception, service
from cinder.conf import CONF
from cinder.service import wsgi_service


class Loader:
    def load_app(self, name):
        return lambda environ, start_response: [name.encode()]


@pytest.fixture(autouse=True, params=concurrency.BACKENDS)
def backend(request, monkeypatch):
    monkeypatch.setattr(concurrency, 'name', lambda: request.param)


@contextlib.contextmanager
def options(**values):
    values = {'osapi_volume_listen': '127.0.0.1', 'osapi_volume_listen_port': 0, **values}
    for name, value in values.items():
        CONF.set_override(name, value)
    try:
        yield
    finally:
        for name in values:
            CONF.clear_override(name)


def make(**values):
    with options(**values):
        server = service.WSGIService('osapi_volume', Loader())
        server.server.socket.close()
        return server


def test_port_zero_takes_a_free_port_and_tells_which():
    server = make()
    assert server.port > 0
    assert server.host == '127.0.0.1'
    with options():
        assert server.url == f'http://127.0.0.1:{server.port}'
    assert server.app({}, None) == [b'osapi_volume']


def test_ipv6_address_is_bracketed():
    if not socket.has_ipv6 or not os.path.exists('/proc/net/if_inet6'):
        pytest.skip('no IPv6 here')
    server = make(osapi_volume_listen='::1')
    with options():
        assert server.url == f'http://[::1]:{server.port}'


@pytest.mark.parametrize('workers', [0, -3])
def test_a_worker_count_below_one_is_named(workers):
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        make(osapi_volume_workers=workers)
    assert 'osapi_volume_workers' in str(caught.value) and str(workers) in str(caught.value)


def test_as_many_workers_as_cpus_by_default():
    assert make().workers == os.cpu_count()
    assert make(osapi_volume_workers=3).workers == 3


def test_a_taken_port_is_an_os_error():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        with pytest.raises(OSError):
            make(osapi_volume_listen_port=taken.getsockname()[1])


@pytest.mark.parametrize(('address', 'allowed'), [
    ('127.0.0.1', True), ('127.9.9.9', True), ('::1', True), ('localhost', True),
    ('0.0.0.0', False), ('::', False), ('192.0.2.1', False), ('no.such.host.invalid', False),
])
def test_noauth_listens_on_loopback_only(address, allowed):
    with options(auth_strategy='noauth'):
        if allowed:
            wsgi_service._refuse_open_door('osapi_volume_listen', address)
            return
        with pytest.raises(exception.InvalidConfigurationValue) as caught:
            wsgi_service._refuse_open_door('osapi_volume_listen', address)
    assert 'noauth_allow_remote' in str(caught.value)


@pytest.mark.parametrize('values', [
    {'auth_strategy': 'noauth', 'noauth_allow_remote': True}, {'auth_strategy': 'keystone'}])
def test_other_addresses_need_keystone_or_an_explicit_option(values):
    with options(**values):
        wsgi_service._refuse_open_door('osapi_volume_listen', '0.0.0.0')


def test_https_needs_a_certificate():
    with pytest.raises(exception.InvalidConfigurationValue) as caught:
        make(osapi_volume_use_ssl=True)
    assert 'cert_file' in str(caught.value)


def test_connections_wait_for_nothing_and_are_kept_alive_as_the_options_say():
    with options(tcp_keepalive_interval=7, tcp_keepalive_count=3), socket.socket() as listener:
        wsgi_service._tune_connections(listener)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 7
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
    with options(tcp_keepalive=False), socket.socket() as listener:
        wsgi_service._tune_connections(listener)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_an_optional_manager_is_initialised_before_the_server_starts():
    order = []
    server = make()

    class Host:
        def init_host(self):
            order.append('manager')

    class Server:
        def start(self):
            order.append('server')
    server.manager, server.server = Host(), Server()
    server.start()
    assert order == ['manager', 'server']
