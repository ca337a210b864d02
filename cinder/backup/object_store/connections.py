# SPDX-License-Identifier: Apache-2.0
"""HTTP connections to a store, for several native threads at once. What is sent, and what an answer
means, the drivers decide."""
import contextlib
import ssl
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import urllib3
from urllib3 import exceptions
from urllib3.util import ssl_

from cinder import concurrency, exception, masking
from cinder.backup.object_store.faults import Fault

# Most bytes of the text of an answer.
TEXT_BYTES = 64 * 1024
_AGENT = 'cinder-backup'


class Settings(NamedTuple):
    """How to connect.

    :param timeout: seconds to wait for a connection, and then for each next part of an answer
    :param ca_file: CA certificates; None: those of the system
    :param proxies: scheme of the store -> URL of the proxy
    :param kept: most connections that are kept open for further requests
    """

    timeout: float
    verify: bool = True
    ca_file: str | None = None
    proxies: Mapping[str, str] = {}
    kept: int = 10


class Answer:
    """The answer to a request; it has to be closed.

    :ivar headers: names in any case
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, done: Callable[[bool], None]) -> None:
        self.status, self.headers = response.status, response.headers
        self._response, self._done = response, done

    def read(self, size: int) -> bytes:
        """Return the bytes that come next, at most `size`; b'' at the end only.

        :raises Fault: the connection failed, or the answer is shorter than it says
        """
        try:
            return self._response.read1(size) or b''
        except exceptions.HTTPError as exc:
            raise fault_of(exc) from exc

    def text(self) -> str:
        """Return the beginning of the answer as text, and close it."""
        parts, missing = [], TEXT_BYTES
        try:
            while missing and (part := self.read(missing)):
                parts.append(part)
                missing -= len(part)
        except Fault:
            pass  # the status says enough
        finally:
            self.close()
        return b''.join(parts).decode(errors='replace')

    def content(self) -> bytes:
        """Return the whole answer, and close it.

        :raises Fault: as read()
        """
        try:
            return b''.join(iter(lambda: self.read(TEXT_BYTES), b''))
        finally:
            self.close()

    def close(self) -> None:
        """Keep the connection for others if the answer was read to its end, else close it."""
        done, self._done = self._done, lambda _complete: None
        if self._response.length_remaining == 0 and not self._response.closed:
            with contextlib.suppress(Fault):
                self.read(1)  # the end of an answer without content
        complete = self._response.closed
        if complete:
            self._response.release_conn()
        else:
            self._response.close()
        done(complete)


class Connections:
    """Connections to one store. Each is used by one thread at a time: what a pool of urllib3 waits
    with would be green where the standard library is that of eventlet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[urllib3.PoolManager] = []
        self._lock = concurrency.original('threading').Lock()
        self._context: ssl.SSLContext | None = None

    def send(self, method: str, url: str, headers: Mapping[str, str],
             body: Iterable[bytes] | bytes | None = None, seconds: float | None = None) -> Answer:
        """Send a request and return the answer, whatever its status. Redirects are not followed: a
        store must not choose the receiver of credentials.

        :param body: pieces, for which `headers` has the length
        :param seconds: for the whole request, which has no body, until its answer begins; instead
            of the timeout of the settings
        :raises Fault: there is no answer
        :raises BackupStoreUnavailable: the certificate of the store cannot be verified
        """
        each = self._settings.timeout
        # The total includes the time in which a body is sent.
        timeout = (urllib3.Timeout(total=seconds) if seconds
                   else urllib3.Timeout(connect=each, read=each))
        manager = self._take(url)
        try:
            response = manager.urlopen(
                method, url, body=body, headers={'User-Agent': _AGENT, **headers}, timeout=timeout,
                retries=False, redirect=False, preload_content=False, decode_content=False)
        except (exceptions.HTTPError, OSError) as exc:
            manager.clear()
            raise fault_of(exc) from exc
        return Answer(response, lambda complete: self._give_back(manager, complete))

    def _take(self, url: str) -> urllib3.PoolManager:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._context is None:
                self._context = _context(self._settings)
        proxy = self._settings.proxies.get(urllib3.util.parse_url(url).scheme or '')
        if not proxy:
            return urllib3.PoolManager(num_pools=2, maxsize=1, ssl_context=self._context)
        user = urllib3.util.parse_url(proxy).auth
        return urllib3.ProxyManager(
            proxy, num_pools=2, maxsize=1, ssl_context=self._context,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=user) if user else None)

    def _give_back(self, manager: urllib3.PoolManager, complete: bool) -> None:
        with self._lock:
            if complete and len(self._idle) < self._settings.kept:
                self._idle.append(manager)
                return
        manager.clear()


def _context(settings: Settings) -> ssl.SSLContext:
    """Return the settings of TLS. Reading the certificates of a system takes a while."""
    context = ssl_.create_urllib3_context(
        cert_reqs=ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE)
    if not settings.verify:
        context.check_hostname = False
        # The operator chose it; a warning for each request would fill the log.
        warnings.filterwarnings('ignore', category=exceptions.InsecureRequestWarning)
    elif settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    else:
        context.load_default_certs()
    return context


def fault_of(exc: Exception) -> Fault:
    """Return the fault of an error of urllib3.

    :raises BackupStoreUnavailable: the certificate of the store cannot be verified
    """
    reason = masking.masked(' '.join(str(exc).split()))
    if 'CERTIFICATE_VERIFY_FAILED' in reason:
        raise exception.BackupStoreUnavailable(
            where='the connection', reason=f'its certificate cannot be verified: {reason}')
    return Fault(f'{type(exc).__name__}: {reason}',
                 timed_out=isinstance(exc, exceptions.TimeoutError))
