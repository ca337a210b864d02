# SPDX-License-Identifier: Apache-2.0
"""The port of the metrics: what it serves, to whom, and what is said when it is taken."""
import http.client
import socket

import pytest

from cinder import exception, metrics
from cinder.conf import CONF
from cinder.service import metrics_listener
from cinder.service.metrics_listener import Listener


def answer_of(url, path, method='GET'):
    connection = http.client.HTTPConnection(url.removeprefix('http://'), timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def listener():
    def fail():
        raise LookupError
    made = Listener('127.0.0.1', 0, 'option', {
        '/metrics': lambda: (200, 'text/plain', b'one 1\n'), '/broken': fail})
    yield made
    made.close()


def test_pages(listener):
    listener.serve()
    listener.serve()
    assert answer_of(listener.url, '/metrics') == (200, 'one 1\n')
    assert answer_of(listener.url, '/metrics?name=x') == (200, 'one 1\n')
    assert answer_of(listener.url, '/metrics', 'HEAD') == (200, '')
    assert answer_of(listener.url, '/x') == (404, 'There are /broken and /metrics.\n')
    assert answer_of(listener.url, '/metrics', 'POST')[0] == 501
    assert answer_of(listener.url, '/broken') == (500, 'The reason is in the log.\n')


def test_a_client_that_says_nothing_is_left_after_a_while(listener, monkeypatch):
    monkeypatch.setattr(metrics_listener, 'CLIENT_SECONDS', 0.02)
    listener.serve()
    host, port = listener.url.removeprefix('http://').split(':')
    with socket.create_connection((host, int(port))):
        assert answer_of(listener.url, '/metrics')[0] == 200


def test_a_port_that_is_taken_is_named_with_its_option(listener):
    port = int(listener.url.rpartition(':')[2])
    with pytest.raises(exception.InvalidConfigurationValue,
                       match=rf'\[metrics\] api_port = {port}: 127.0.0.1, port {port} cannot be '
                             'listened on: Address already in use'):
        Listener('127.0.0.1', port, '[metrics] api_port', {})


def test_nothing_is_opened_without_the_option(monkeypatch):
    monkeypatch.setattr(metrics_listener, 'Listener', None)
    metrics_listener.open_socket('api_port', {})
    metrics_listener.serve()
    assert not metrics.is_on() and not CONF.metrics.enabled
