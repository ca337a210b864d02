# SPDX-License-Identifier: Apache-2.0
"""Replaces the options, the log and the sockets of gunicorn, and defines the responses to requests
that it rejects."""
import contextlib
import logging
import socket
import ssl
import sys
import time
from datetime import timedelta
from typing import Any

from gunicorn import config, http

from cinder import masking
from cinder.conf import CONF
from cinder.i18n import _
from cinder.service import http_protocol

LOG = logging.getLogger(__name__)

# The maximum of gunicorn; the server of eventlet has 8192.
LONGEST_LINE = 8190
MOST_HEADERS = 100

# Errors of gunicorn for a rejected request, a part of their text -> response.
REFUSALS: tuple[tuple[type[Exception], str, int, str | None], ...] = (
    (http.errors.LimitRequestLine, '', 414, _('The request line is longer than %d bytes.')
     % LONGEST_LINE),
    (http.errors.LimitRequestHeaders, 'size', 400, _('A header of the request is too long.')),
    (http.errors.LimitRequestHeaders, '', 431, _('The request has too many headers.')),
    (http.errors.UnsupportedTransferCoding, '', 501, None),
    (http.errors.ExpectationFailed, '', 417, None),
    (http.errors.ParseException, '', 400, _('This is not an HTTP request.')),
    (ssl.SSLError, '', 400, _('This is not an HTTPS request.')),
)


class Connection:
    """The socket of a client for gunicorn: sends the headers of a response with its body.

    :param sock: socket, with or without TLS
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket: Any = sock
        self._held = b''

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendall(self, data: bytes) -> None:
        """Send data, or hold back the first part of a response."""
        if not self._held and data.startswith(b'HTTP/1.') and data.endswith(b'\r\n\r\n'):
            self._held = data
        else:
            held, self._held = self._held, b''
            self._socket.sendall(held + data)
            http_protocol.acknowledge(self._socket)

    def flush(self) -> None:
        """Send the data that is held back."""
        if self._held:
            self.sendall(b'')

    def refuse(self, code: int, message: str | None) -> None:
        """Send a fault instead of the data that is held back."""
        self._held = b''
        self._socket.sendall(http_protocol.refusal(code, message))

    def hang_up(self) -> None:
        """Make the thread that waits for a request see the end of the connection."""
        with contextlib.suppress(OSError):
            # shutdown() of a TLS socket would change the state that the other thread uses.
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def detach(self) -> socket.socket:
        """Give the socket away; what the server does with this object has no effect on it."""
        given = self._socket
        if not isinstance(given, ssl.SSLSocket):
            # The server also has the object of the socket.
            given = socket.socket(fileno=given.detach())
        self._socket = http_protocol.Gone()
        return given

    def close(self) -> None:
        self._socket.close()


def refusal(exc: BaseException) -> tuple[int, str | None]:
    """Return the status and the message of the response to a request that failed with an error;
    500 for an error of the application."""
    return next(((code, message) for kind, words, code, message in REFUSALS
                 if isinstance(exc, kind) and words in str(exc)), (500, None))


def options(tls: ssl.SSLContext | None) -> config.Config:
    """Return the options of gunicorn, from our options and its defaults."""
    made = config.Config()
    for name, value in {
            # Otherwise gunicorn does not call timeout_ctx() when it waits for a request.
            'keepalive': 1, 'limit_request_line': LONGEST_LINE,
            'limit_request_fields': MOST_HEADERS, 'limit_request_field_size': CONF.max_header_line,
            'workers': 1, 'do_handshake_on_connect': True, 'sendfile': False,
            # oslo.middleware handles the headers of proxies.
            'forwarded_allow_ips': '', 'secure_scheme_headers': {}}.items():
        made.set(name, value)
    if tls is not None:
        made.set('certfile', CONF.ssl.cert_file)
    return made


class Log:
    """Replaces the log of gunicorn."""

    debug, info, warning = LOG.debug, LOG.info, LOG.warning

    def exception(self, message: str, *args: object) -> None:
        """Log a failed request; a client that sends nothing for too long is not a failure."""
        if isinstance(sys.exc_info()[1], TimeoutError):
            LOG.debug('A client sent nothing for too long.')
        else:
            LOG.exception(message, *args)

    def close_on_exec(self) -> None:
        """Do nothing: the log has no files of its own."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log an answered request in the format of wsgi_log_format."""
        LOG.info('%s', CONF.wsgi_log_format % {
            'client_ip': environ.get('REMOTE_ADDR', ''), 'client_port': environ.get('REMOTE_PORT'),
            'date_time': time.strftime('%d/%b/%Y %H:%M:%S'),
            'request_line': masking.loggable_url(
                f'{req.method} {req.uri} HTTP/{req.version[0]}.{req.version[1]}'),
            'status_code': str(resp.status).partition(' ')[0], 'body_length': resp.sent,
            'wall_seconds': request_time.total_seconds()})
