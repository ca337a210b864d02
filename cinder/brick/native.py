# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for a disk, moved out of the way: in a service that runs on eventlet a blocking
system call would stop every other greenthread, heartbeats included."""
from collections.abc import Callable
from typing import TypeVar

from eventlet import patcher, tpool

T = TypeVar('T')


def call(function: Callable[..., T], *args: object) -> T:
    """Call `function` in a native thread when threads are green here, else directly.

    The function must keep to system calls: locks and loggers of this process are green.
    """
    if patcher.is_monkey_patched('thread'):
        return tpool.execute(function, *args)
    return function(*args)
