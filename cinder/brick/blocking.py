# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for a disk, moved out of the way: in a service that runs on eventlet a blocking
system call would stop every other greenthread, heartbeats included.

What is called must keep to system calls: locks and loggers of this process are green.
"""
import contextvars
import os
from collections.abc import Callable
from typing import TypeVar

from eventlet import hubs, patcher, semaphore, tpool

from cinder import ownership

T = TypeVar('T')
_Thread = patcher.original('threading').Thread

# Of the 20 threads of eventlet, look-ups of names have the rest to themselves.
CALLS, PIECES = 8, 8
_calls, _pieces = semaphore.Semaphore(CALLS), semaphore.Semaphore(PIECES)


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
    if not patcher.is_monkey_patched('thread'):
        return function(*args)
    # The thread has to know what the work rests on.
    context = contextvars.copy_context()
    results: list[T] = []
    errors: list[BaseException] = []
    ended, end = os.pipe()

    def run() -> None:
        try:
            results.append(context.run(function, *args))
        except BaseException as exc:
            errors.append(exc)
        os.close(end)

    with os.fdopen(ended, 'rb', buffering=0):
        try:
            _Thread(target=run, name='copy', daemon=True).start()
        except RuntimeError:  # no more threads
            os.close(end)
            raise
        hubs.trampoline(ended, read=True)
    if errors:
        raise errors[0]
    return results[0]


def _execute(places: semaphore.Semaphore, function: Callable[..., T], *args: object) -> T:
    ownership.confirm()
    if not patcher.is_monkey_patched('thread'):
        return function(*args)
    with places:
        return tpool.execute(contextvars.copy_context().run, function, *args)
