# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for a disk, moved out of the way: in a service that runs on eventlet a blocking
system call would stop every other greenthread, heartbeats included."""
from collections.abc import Callable
from typing import TypeVar

from eventlet import patcher, semaphore, tpool

T = TypeVar('T')

# Of the 20 threads of eventlet, look-ups of names have the rest to themselves.
CALLS, COPIES = 8, 8
_calls, _copies = semaphore.Semaphore(CALLS), semaphore.Semaphore(COPIES)


def call(function: Callable[..., T], *args: object) -> T:
    """Call `function` in a native thread when threads are green here, else directly.

    The function must be short, and keep to system calls: locks and loggers of this process are
    green.
    """
    return _execute(_calls, function, *args)


def copy(function: Callable[..., T], *args: object) -> T:
    """The same for what moves bytes and may take hours: however many copies there are, they leave
    the threads of short calls alone."""
    return _execute(_copies, function, *args)


def _execute(places: semaphore.Semaphore, function: Callable[..., T], *args: object) -> T:
    if not patcher.is_monkey_patched('thread'):
        return function(*args)
    with places:
        return tpool.execute(function, *args)
