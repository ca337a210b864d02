# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy before a store that brings its faults: what the next requests meet is a list."""
import contextlib
import dataclasses
import http.client
import http.server
import socket
import struct
import threading
import urllib.parse

from tests.functional.processes import free_port


@dataclasses.dataclass
class Fault:
    """What happens to one request, or to its answer.

    :param status: answer with this instead of asking the store
    :param headers: of that answer, or instead of those of the store
    :param reset: the connection is reset: 'before' the store is asked, or 'after', when the store
        has done what was asked
    :param cut: close the connection after so many bytes of the body
    :param flip: change the byte of the body at this offset
    :param stall: seconds to wait after `cut` bytes before that
    :param hide: take this name out of a list
    :param method: only a request with this method meets it
    :param path: only a request whose path ends with it, without a query
    """

    status: int = 0
    headers: dict = dataclasses.field(default_factory=dict)
    reset: str = ''
    cut: int | None = None
    flip: int | None = None
    stall: float = 0
    hide: str = ''
    method: str = ''
    path: str = ''

    def concerns(self, method, path):
        return (not self.method or method == self.method) and path.partition('?')[0].endswith(
            self.path)


class FaultProxy:
    """A proxy on a port of its own.

    :param port: of the server behind it
    :ivar faults: for the next requests that they concern, each once
    :ivar requests: (method, path) of all requests
    :ivar headers: of the last request
    :ivar connections: number of connections that clients made
    """

    def __init__(self, port):
        self.upstream, self.port = port, free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.faults, self.requests, self.headers, self.connections = [], [], {}, 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._server = None

    def start(self):
        proxy = self

        class Handler(_Handler):
            pass
        Handler.proxy = proxy
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Refuse connections from now on."""
        self.over.set()
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()

    @contextlib.contextmanager
    def with_faults(self, *faults):
        """Have these faults in a block, all of which have to happen."""
        self.requests.clear()
        self.faults[:] = faults
        try:
            yield
        finally:
            left, self.faults[:] = list(self.faults), []
        assert not left, f'not met: {left}'

    def take(self, method, path):
        """Return the fault of a request."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.concerns(method, path):
                    self.faults.remove(fault)
                    return fault
        return Fault()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        super().setup()
        self.proxy.connections += 1

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        # Of a client that takes this for its proxy, it is a URL.
        parts = urllib.parse.urlsplit(self.path)
        self.path = parts._replace(scheme='', netloc='').geturl()
        self.proxy.headers = {name.title(): value for name, value in self.headers.items()}
        fault = self.proxy.take(self.command, self.path)
        if fault.reset == 'before':
            return self.reset()
        if fault.status:
            status, headers, answer = fault.status, fault.headers, b'<html>said the proxy</html>'
        else:
            status, headers, answer = self.ask(body)
            headers |= {name.lower(): value for name, value in fault.headers.items()}
        if fault.reset == 'after':
            return self.reset()
        self.answer(fault, status, headers, answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def ask(self, body):
        connection = http.client.HTTPConnection('127.0.0.1', self.proxy.upstream, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True,
                                  skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != 'proxy-authorization':
                    connection.putheader(name, value)
            connection.endheaders(body)
            found = connection.getresponse()
            headers = {name.lower(): value for name, value in found.headers.items()
                       if name.lower() not in ('transfer-encoding', 'connection')}
            return found.status, headers, found.read()

    def answer(self, fault, status, headers, answer):
        if fault.flip is not None:
            answer = bytearray(answer)
            answer[fault.flip] ^= 1
        if fault.hide:
            answer = answer.replace(fault.hide.encode(), b'hidden')
        headers = {name: value for name, value in headers.items() if name != 'content-length'} | (
            {'Content-Length': headers.get('content-length', '0') if self.command == 'HEAD'
             else str(len(answer))} if status != 204 else {})
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == 'HEAD' or status == 204:
            return
        self.wfile.write(answer if fault.cut is None else answer[:fault.cut])
        if fault.cut is not None:
            self.wfile.flush()
            self.proxy.over.wait(fault.stall)
            self.close_connection = True

    def reset(self):
        """Have the kernel send RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close_connection = True
        self.connection.close()
        self.wfile = self.rfile = _Closed()

    def log_message(self, *_arguments):
        pass

    def finish(self):
        with contextlib.suppress(OSError, ValueError):
            super().finish()


class _Closed:
    closed = True

    def close(self):
        pass

    def flush(self):
        pass
