# SPDX-License-Identifier: Apache-2.0
"""Green threads: the only module that imports eventlet. It patches the standard library, and has
what the code needs to know of the difference."""
import os
import socket
import sys
import types
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from cinder import lazy_import

# A profiler, which the backdoor of oslo.service offers.
lazy_import.load_when_used('yappi')
# dnspython would cost 10 MB and a quarter of the start-up time; see _getaddrinfo.
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')
# Native threads for short calls that wait for a disk and for name servers: brick.blocking divides
# them.
os.environ.setdefault('EVENTLET_THREADPOOL_SIZE', '20')

# eventlet would load pyOpenSSL where it is installed, 8 MB, for the name of an exception. TLS is
# that of the standard library.
_absent = 'OpenSSL' not in sys.modules
if _absent:
    sys.modules['OpenSSL'] = None  # type: ignore[assignment]

import eventlet  # noqa: E402
import eventlet.green.socket  # noqa: E402
from eventlet import hubs, patcher, tpool  # noqa: E402
from eventlet.green import select as green_select  # noqa: E402

if _absent:
    del sys.modules['OpenSSL']

P = ParamSpec('P')
T = TypeVar('T')

original: Callable[[str], types.ModuleType] = patcher.original
call = tpool.execute
select = green_select.select
_lookup = socket.getaddrinfo


def patch() -> None:
    """Make the standard library cooperate with eventlet."""
    eventlet.monkey_patch()
    socket.getaddrinfo = eventlet.green.socket.getaddrinfo = _getaddrinfo


def _getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0,
                 flags: int = 0) -> list:
    """Look up in a thread what needs a name server: a slow one must not stop all green threads."""
    try:
        return _lookup(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return tpool.execute(_lookup, host, port, family, type, proto, flags)


def call_long(function: Callable[[], T], thread_name: str) -> T:
    """Call a function in a native thread of its own; other green threads go on meanwhile."""
    results: list[T] = []
    errors: list[BaseException] = []
    ended, end = os.pipe()

    def run() -> None:
        try:
            results.append(function())
        except BaseException as exc:
            errors.append(exc)
        os.close(end)

    with os.fdopen(ended, 'rb', buffering=0):
        try:
            original('threading').Thread(target=run, name=thread_name, daemon=True).start()
        except RuntimeError:  # no more threads
            os.close(end)
            raise
        hubs.trampoline(ended, read=True)
    if errors:
        raise errors[0]
    return results[0]


def http_server() -> types.ModuleType:
    """eventlet's server, which the API alone needs."""
    import eventlet.wsgi
    return eventlet.wsgi
