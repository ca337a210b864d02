# SPDX-License-Identifier: Apache-2.0
"""Blocking calls in native threads: in a service that runs on eventlet, a blocking system call
would stop every other greenthread, heartbeats included. With native threads the caller itself
waits.

The called functions must be limited to system calls, because locks and loggers of this process may
be green.
"""
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from cinder import concurrency, ownership

T = TypeVar('T')

# Of the 20 threads of eventlet; the rest is for name resolution.
CALLS, PIECES = 8, 8
_calls, _pieces = threading.Semaphore(CALLS), threading.Semaphore(PIECES)


def call(function: Callable[..., T], *args: object) -> T:
    """Call `function`, which must be short, in a native thread if threads are green, else
    directly."""
    return _execute(_calls, function, *args)


def piece(function: Callable[..., T], *args: object) -> T:
    """Call a function that does a small part of long work, such as a chunk of an image. Such calls
    leave the threads of call() free."""
    return _execute(_pieces, function, *args)


def copy(function: Callable[..., T], *args: object) -> T:
    """Call a function that copies data and may take hours, in a thread of its own. The executor of
    the back end limits the number of copies."""
    ownership.confirm()
    # The thread needs the locks and the claim that the work depends on.
    context = contextvars.copy_context()
    return concurrency.call_long(lambda: context.run(function, *args), 'copy')


def _execute(places: threading.Semaphore, function: Callable[..., T], *args: object) -> T:
    ownership.confirm()
    if not concurrency.is_green():
        return function(*args)
    with places:
        return concurrency.call(contextvars.copy_context().run, function, *args)
