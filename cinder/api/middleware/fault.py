# SPDX-License-Identifier: Apache-2.0
"""Turns exceptions into responses, and adds the request id to every response.

It wraps everything that may raise; authentication (auth.py) and handlers only raise errors.
"""
import http
import traceback
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import webob
from oslo_context import context as oslo_context
from oslo_log import log as logging
from webob.util import status_reasons

from cinder import exception, masking
from cinder.api import wsgi

LOG = logging.getLogger(__name__)

FAULT_NAMES = {
    400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound',
    405: 'badMethod', 409: 'conflictingRequest', 410: 'gone', 413: 'overLimit', 415: 'badMediaType',
    429: 'overLimit', 501: 'notImplemented', 503: 'serviceUnavailable',
}


def fault_response(exc: Exception, environ: dict[str, Any]) -> webob.Response:
    """Return the response for an exception; log it if it concerns the operator."""
    status, text, headers = _read(exc)
    if status == 503:
        # While a service is unavailable each request fails: log the cause, not a traceback.
        LOG.warning('%s %s failed%s: %s', environ.get('REQUEST_METHOD'), _path(environ),
                    _request_id(environ), masking.printable(': '.join(_causes(exc))))
    elif status >= 500:
        LOG.error('%s %s failed%s: %s', environ.get('REQUEST_METHOD'), _path(environ),
                  _request_id(environ), ''.join(traceback.format_exception(exc)))
    else:
        LOG.info('%s %s: %s %s', environ.get('REQUEST_METHOD'), _path(environ), status,
                 masking.printable(text))
    if status == 412:
        return wsgi.respond(environ, None, status, headers)
    body: dict[str, Any] = {'code': status, 'message': text}
    if status in (413, 429) and 'Retry-After' in dict(headers):
        body['retryAfter'] = dict(headers)['Retry-After']
    return wsgi.respond(environ, {FAULT_NAMES.get(status, 'computeFault'): body}, status, headers)


def _causes(exc: BaseException | None) -> Iterator[str]:
    while exc is not None:
        yield f'{type(exc).__name__} {exc}'
        exc = exc.__cause__


def _request_id(environ: dict[str, Any]) -> str:
    """Return the request id, if the log line does not have it because there is no context."""
    own, known = environ.get('openstack.request_id'), oslo_context.get_current()
    return '' if known is not None and known.request_id == own else f' ({own})'


def _path(environ: dict[str, Any]) -> str:
    """Return path and query as the client sent them; their key depends on the server."""
    sent = environ.get('RAW_URI') or environ.get('REQUEST_URI')
    if not sent:
        path = environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '')
        query = environ.get('QUERY_STRING')
        sent = (environ.get('RAW_PATH_INFO') or urllib.parse.quote(path.encode('latin-1'))) + (
            f'?{query}' if query else '')
    return masking.loggable_url(sent)


def _read(exc: Exception) -> tuple[int, str, list[tuple[str, str]]]:
    """Return status, message for the caller and headers of an exception."""
    if isinstance(exc, exception.CinderException):
        status = exc.code if exc.code in status_reasons else 500
        text = str(exc) if exc.safe else http.HTTPStatus(status).description
        return status, text or http.HTTPStatus(status).phrase, list(exc.headers.items())
    return 500, 'The server has encountered an unexpected error.', []


class FaultWrapper:
    """Middleware that adds request ids to responses, and turns exceptions into faults.

    It may be in a pipeline twice, so that a filter in between gets responses and no exceptions.

    :param application: the rest of the pipeline.
    """

    def __init__(self, application: Callable) -> None:
        self.application = application

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> Callable:
        return cls

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        request_id = environ.get('openstack.request_id')
        if request_id is None:
            request_id = environ['openstack.request_id'] = oslo_context.generate_request_id()

        nested = environ.get('cinder.faults_are_answers', False)
        environ['cinder.faults_are_answers'] = True

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if not nested:
                headers += (('x-openstack-request-id', request_id),
                            ('x-compute-request-id', request_id))
            return start_response(status, headers, exc_info) if exc_info \
                else start_response(status, headers)

        try:
            return self.application(environ, start)
        except Exception as exc:
            response = fault_response(exc, environ)
            response.headerlist.extend(environ.get('cinder.version_headers', ()))
            return response(environ, start)
