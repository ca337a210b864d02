# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for a disk, moved out of the way: in a service that runs on eventlet a blocking
system call would stop every other greenthread, heartbeats included. Where threads are native ones
the caller itself waits.

What is called must keep to system calls: locks and loggers of this process may be green.
"""
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from cinder import concurrency, ownership

T = TypeVar('T')

# Of the 20 threads of eventlet, look-ups of names have the rest to themselves.
CALLS, PIECES = 8, 8
_calls, _pieces = threading.Semaphore(CALLS), threading.Semaphore(PIECES)


def call(function: Callable[..., T], *args: object) -> T:
    """Call `function`, which must be short, in a native thread when threads are green here, else
    directly."""
    return _execute(_calls, function, *args)


def piece(function: Callable[..., T], *args: object) -> T:
    """The same for a small part of long work, such as a chunk of an image: however many there are,
    they leave the threads of short calls alone."""
    return _execute(_pieces, function, *args)


def copy(function: Callable[..., T], *args: object) -> T:
    """The same for what moves bytes and may take hours: in a thread of its own. How many copies
    there are at a time, the executor of the back end decides."""
    ownership.confirm()
    # The thread has to know what the work rests on.
    context = contextvars.copy_context()
    return concurrency.call_long(lambda: context.run(function, *args), 'copy')


def _execute(places: threading.Semaphore, function: Callable[..., T], *args: object) -> T:
    ownership.confirm()
    if not concurrency.is_green():
        return function(*args)
    with places:
        return concurrency.call(contextvars.copy_context().run, function, *args)
