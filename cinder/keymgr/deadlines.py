# SPDX-License-Identifier: Apache-2.0
"""Ends each call to a key manager in time: castellan's clients wait for an answer for ever. A call
runs in a thread of its own, which its caller leaves at the deadline. While a key manager is silent,
one call in a while is sent to it, and the others fail at once, so that they hold no thread."""
import contextvars
import functools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from oslo_context import context as oslo_context

from cinder.conf import CONF

if TYPE_CHECKING:
    from barbicanclient.client import Client
    from castellan.common.credentials.credential import Credential
    from castellan.key_manager.key_manager import KeyManager

    from cinder.context import RequestContext

T = TypeVar('T')
# While a key manager is silent: seconds between two calls to it, and what their callers wait.
PAUSE, PATIENCE = 5.0, 2.0
# With so many calls left behind, which only clients without timeouts of their own cause, the pause
# is longer.
MOST_LEFT, LONG_PAUSE = 16, 300.0

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar('key_manager_call', default=False)


class Silent(TimeoutError):
    """The key manager has not answered in time, now or shortly before."""


class NotAsked(Silent):
    """The key manager was not asked, because it has not answered shortly before."""


class Line:
    """The calls of this process to a key manager.

    :param seconds: returns the seconds that a call may take
    :param pause: seconds between two calls while it is silent
    """

    def __init__(self, seconds: Callable[[], float], pause: float = PAUSE) -> None:
        self._seconds, self._pause, self._lock = seconds, pause, threading.Lock()
        self._left: set[_Call] = set()
        # When the next call may be sent to a key manager that is silent; None: it is not.
        self._next: float | None = None

    def call(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Return the result of the function.

        :raises Silent: there is none in time, or there was none shortly before.
        """
        if _inside.get():
            return function(*args, **kwargs)
        seconds = self._admit()
        call = _Call(functools.partial(function, *args, **kwargs), self._ended)
        if not call.ended.wait(seconds) and self._leave(call):
            raise Silent(f'it has not answered for {seconds:g} seconds')
        return call.result()

    def _admit(self) -> float:
        """Return the seconds that the caller waits."""
        seconds, now = self._seconds(), time.monotonic()
        with self._lock:
            if self._next is None:
                return seconds
            if now < self._next:
                raise NotAsked('it has not answered earlier calls')
            self._next = now + self._wait()
        return min(seconds, PATIENCE)

    def _wait(self) -> float:
        return self._pause if len(self._left) < MOST_LEFT else LONG_PAUSE

    def _leave(self, call: '_Call') -> bool:
        """Return False if the call has just ended."""
        with self._lock:
            if call.ended.is_set():
                return False
            self._left.add(call)
            self._next = time.monotonic() + self._wait()
            return True

    def _ended(self, call: '_Call') -> None:
        with self._lock:
            call.ended.set()
            self._left.discard(call)
            self._next = time.monotonic() + self._wait() if is_timeout(call.error) else None


class _Call:
    """A call that runs in a thread of its own: a green one where threads are green.

    :param end: called with this call when it has ended
    """

    def __init__(self, function: Callable[[], Any], end: 'Callable[[_Call], None]') -> None:
        self.ended = threading.Event()
        self._function, self._end = function, end
        self._value: Any = None
        self.error: BaseException | None = None
        caller = oslo_context.get_current()  # for the log
        threading.Thread(target=contextvars.copy_context().run, args=(self._run, caller),
                         name='key-manager', daemon=True).start()

    def _run(self, caller: oslo_context.RequestContext | None) -> None:
        _inside.set(True)
        if caller is not None:
            caller.update_store()
        try:
            self._value = self._function()
        except BaseException as exc:
            self.error = exc
        self._end(self)

    def result(self) -> Any:
        """Return or raise what the function has."""
        if self.error is not None:
            raise self.error
        return self._value


def is_timeout(exc: BaseException | None) -> bool:
    """Return whether an error is the lack of an answer."""
    while exc is not None:
        if isinstance(exc, TimeoutError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


def was_not_sent(exc: BaseException | None) -> bool:
    """Return whether an error shows that the key manager has received nothing."""
    while exc is not None:
        if isinstance(exc, NotAsked | ConnectionRefusedError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


def seconds() -> float:
    """Return the seconds that a call may take."""
    return CONF.key_manager.call_timeout


def bound(manager: 'KeyManager') -> 'KeyManager':
    """Let each call of a key manager end in time; `manager.line` is the line of its calls."""
    line = manager.line = Line(seconds)  # type: ignore[attr-defined]
    for name in dir(type(manager)):
        found = getattr(manager, name)
        if callable(found) and not name.startswith('_'):
            setattr(manager, name, functools.partial(line.call, found))
    if hasattr(manager, '_session'):  # that of Vault
        manager._session.request = functools.partial(_request, manager._session.request)
    if hasattr(manager, '_get_barbican_client'):
        manager._get_barbican_client = functools.partial(  # type: ignore[attr-defined]
            _barbican, manager, manager._get_barbican_client)
    return manager


def call(manager: 'KeyManager', function: Callable[..., T], *args: object) -> T:
    """Return the result of a function that sends several requests to the key manager.

    :raises Silent: there is none in time.
    """
    return manager.line.call(function, *args)  # type: ignore[attr-defined]


def session_of(manager: 'KeyManager', auth: Any = None) -> Any:
    """Return a session for Keystone and Barbican that waits for no answer longer than a call."""
    from keystoneauth1 import session
    return session.Session(auth=auth, verify=manager._verify,  # type: ignore[attr-defined]
                           timeout=min(CONF.barbican.timeout or seconds(), seconds()))


def _request(original: Callable[..., T], *args: object, timeout: float | None = None,
             **kwargs: object) -> T:
    """Send a request with a session of Vault's client, which has no timeout in some releases of
    castellan, and in others one that is longer than the call."""
    return original(*args, timeout=min(timeout or seconds(), seconds()), **kwargs)


def _barbican(manager: Any, original: Callable[[Any], 'Client'],
              who: 'RequestContext | Credential | None') -> 'Client':
    """Return the client as castellan makes it, but with a timeout."""
    from barbicanclient import client
    from castellan.common import exception as castellan_exception
    if not who:
        return original(who)  # which says why not
    try:
        auth = manager._get_keystone_auth(who)
        session = session_of(manager, auth)
        return client.Client(version=CONF.barbican.barbican_api_version, session=session,
                             endpoint=manager._get_barbican_endpoint(auth, session))
    except castellan_exception.Forbidden:
        raise
    except Exception as exc:
        raise castellan_exception.KeyManagerError(reason=exc) from exc
