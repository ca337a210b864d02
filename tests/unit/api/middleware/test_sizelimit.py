# SPDX-License-Identifier: Apache-2.0
"""The limit of a body, with and without a declared length."""
import io

import pytest

from cinder import exception
from cinder.api.middleware import sizelimit
from cinder.conf import CONF

LIMIT = CONF.oslo_middleware.max_request_body_size


def app(environ, start_response):
    start_response('200 OK', [])
    return [environ['wsgi.input'].read()]


def send(size, **environ):
    status = []
    body = sizelimit.RequestBodySizeLimiter(app)(
        {'REQUEST_METHOD': 'POST', 'wsgi.input': io.BytesIO(b'x' * size), **environ},
        lambda line, *_rest: status.append(int(line[:3])))
    return status[-1], len(body[0])


@pytest.mark.parametrize('extra', [0, 1])
def test_declared(extra):
    status, _length = send(LIMIT + extra, CONTENT_LENGTH=str(LIMIT + extra))
    assert status == (413 if extra else 200)


def test_chunked():
    chunked = {'HTTP_TRANSFER_ENCODING': 'chunked'}
    assert send(LIMIT, **chunked) == (200, LIMIT)

    def reading_first(environ, start_response):
        body = environ['wsgi.input'].read(10) + environ['wsgi.input'].read()
        start_response('200 OK', [])
        return [body]
    status = []
    sizelimit.RequestBodySizeLimiter(reading_first)(
        {'REQUEST_METHOD': 'POST', 'wsgi.input': io.BytesIO(b'x' * (LIMIT + 1)), **chunked},
        lambda line, *_rest: status.append(line[:3]))
    assert status == ['413']


@pytest.mark.parametrize('error', [TimeoutError('timed out'), ValueError('chunk'), OSError(),
                                   Exception('the server has errors of its own')])
@pytest.mark.parametrize('environ', [{'CONTENT_LENGTH': '9'},
                                     {'HTTP_TRANSFER_ENCODING': 'chunked'}])
def test_a_body_that_does_not_come_whole_is_the_callers_fault(error, environ):
    class Broken:
        def read(self, size=None):
            raise error
    with pytest.raises(exception.Invalid, match='is incomplete'):
        sizelimit.RequestBodySizeLimiter(app)({**environ, 'wsgi.input': Broken()},
                                              lambda *_args: None)


@pytest.mark.parametrize('length', ['x', '-1', '1 2', '\u0663'])
def test_malformed(length):
    with pytest.raises(exception.Invalid):
        send(0, CONTENT_LENGTH=length)


def test_absurd():
    assert send(0, CONTENT_LENGTH='9' * 400)[0] == 413
