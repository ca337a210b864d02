# SPDX-License-Identifier: Apache-2.0
"""The limit of a request body: 413 and a line of text beyond it, before anything reads the body.
A body that does not come whole is the caller's fault too.

The option is oslo.middleware's (max_request_body_size), so that operators find it where it was.
"""
from collections.abc import Callable, Iterable
from typing import Any

import webob
from oslo_middleware import sizelimit

from cinder import exception
from cinder.conf import CONF
from cinder.i18n import _

CONF.register_opts(sizelimit.OPTS, group='oslo_middleware')


class TooLarge(Exception):
    """A body without a declared length went on beyond the limit."""


class LimitedReader:
    """A body, read up to the limit."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream = stream
        self.limit = limit

    def read(self, size: int | None = None) -> bytes:
        """:raises TooLarge: there is more than the limit.
        :raises Invalid: it stopped half-way, or its chunks make no sense.
        """
        most = self.limit + 1
        try:
            data = self.stream.read(most if size is None or size < 0 else min(size, most))
        except (OSError, ValueError) as exc:
            raise exception.Invalid(_('The body of the request did not arrive whole.')) from exc
        self.limit -= len(data)
        if self.limit < 0:
            raise TooLarge()
        return data


class RequestBodySizeLimiter:
    """Middleware that refuses bodies over [oslo_middleware] max_request_body_size bytes."""

    def __init__(self, application: Callable) -> None:
        self.application = application

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> Callable:
        return cls

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        length = environ.get('CONTENT_LENGTH')
        if length:
            if not (length.isascii() and length.isdigit()):
                raise exception.Invalid(_('The Content-Length header is malformed.'))
            if len(length) > 15 or int(length) > CONF.oslo_middleware.max_request_body_size:
                return self._refuse(environ, start_response)
        stream = environ['wsgi.input']
        if length or 'HTTP_TRANSFER_ENCODING' in environ:
            environ['wsgi.input'] = LimitedReader(stream,
                                                  CONF.oslo_middleware.max_request_body_size)
        try:
            return self.application(environ, start_response)
        except TooLarge:
            return self._refuse(environ, start_response)
        finally:
            # Whoever lent us the environment may seek in it again.
            environ['wsgi.input'] = stream

    @staticmethod
    def _refuse(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        text = f'413 Request Entity Too Large\n\nThe request body is larger than ' \
               f'{CONF.oslo_middleware.max_request_body_size} bytes.\n'
        return webob.Response(text, 413, content_type='text/plain')(environ, start_response)
