# SPDX-License-Identifier: Apache-2.0
"""Timers: call functions after a delay, all of them in one thread. The functions must be short."""
import functools
import sched
import threading
import time
from collections.abc import Callable

from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Timers:
    """:param name: name of the thread, which the first timer starts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._due = sched.scheduler(time.monotonic)
        self._changed = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def call_later(self, seconds: float, function: Callable[..., object], *args: object) -> None:
        """Call the function after `seconds`, unless stop() was called before."""
        self._due.enter(seconds, 0, functools.partial(self._call, function), args)
        self._changed.set()
        with self._mutex:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Call no more functions."""
        self._stopped = True
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            self._changed.wait(self._due.run(blocking=False))

    def _call(self, function: Callable[..., object], *args: object) -> None:
        if self._stopped:
            return
        try:
            function(*args)
        except Exception:
            LOG.exception('A delayed call failed.')
