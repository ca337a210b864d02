# SPDX-License-Identifier: Apache-2.0
"""Limits the size of request bodies: larger ones get status 413 before anything reads the body.
A body that does not arrive completely is reported as an error of the client too.

The option is max_request_body_size of oslo.middleware, as in the original.
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
    """A body without a declared length exceeds the limit."""


class LimitedReader:
    """Reads a body up to the limit."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream = stream
        self.limit = limit

    def read(self, size: int | None = None) -> bytes:
        """:raises TooLarge: the body exceeds the limit.
        :raises Invalid: the body is incomplete, or its chunks are malformed.
        """
        most = self.limit + 1
        try:
            data = self.stream.read(most if size is None or size < 0 else min(size, most))
        except Exception as exc:  # each server has errors of its own
            raise exception.Invalid(_('The body of the request is incomplete.')) from exc
        self.limit -= len(data)
        if self.limit < 0:
            raise TooLarge()
        return data


class RequestBodySizeLimiter:
    """Middleware that rejects bodies over [oslo_middleware] max_request_body_size bytes."""

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
            # The caller that owns the environment may seek in the stream again.
            environ['wsgi.input'] = stream

    @staticmethod
    def _refuse(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        text = f'413 Request Entity Too Large\n\nThe request body is larger than ' \
               f'{CONF.oslo_middleware.max_request_body_size} bytes.\n'
        return webob.Response(text, 413, content_type='text/plain')(environ, start_response)
