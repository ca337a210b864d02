# SPDX-License-Identifier: Apache-2.0
"""Runs services in this process on native threads: what a worker of threading_launcher.py does, and
cinder-all as a whole. The main thread handles signals."""
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from oslo_config import cfg
from oslo_service import service, systemd

from cinder.service import signals

LOG = logging.getLogger(__name__)


class Launcher:
    """Common parts of both launchers."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._services: list[service.ServiceBase] = []

    def _log_options(self) -> None:
        if self._conf.log_options:
            LOG.debug('Full set of CONF:')
            self._conf.log_opt_values(LOG, logging.DEBUG)

    def _reload(self) -> None:
        self._conf.mutate_config_files()
        for server in self._services:
            server.reset()

    def _stop_in_time(self, is_over: Callable[[float | None], bool]) -> None:
        """End the process if a stop exceeds its time limit, or at a second Ctrl-C. A second SIGTERM
        has no effect: a service manager sends it to all processes, and so does the parent.

        :param is_over: waits for so many seconds at most, or for a signal; whether all is stopped
        """
        limit = self._conf.graceful_shutdown_timeout
        deadline = time.monotonic() + limit if limit else None
        while not is_over(None if deadline is None else max(0, deadline - time.monotonic())):
            if deadline is not None and time.monotonic() >= deadline:
                LOG.info('Graceful shutdown timeout exceeded, instantaneous exiting')
                os._exit(1)


class SingleProcessLauncher(Launcher):
    """Runs services in this process, each started in its own thread.

    :param drains_at_interrupt: whether Ctrl-C stops them like SIGTERM; otherwise the process exits
    :param parent: descriptor that reaches end of file when the parent process is gone
    """

    def __init__(self, conf: cfg.ConfigOpts, drains_at_interrupt: bool = True,
                 parent: int | None = None) -> None:
        super().__init__(conf)
        self._drains_at_interrupt = drains_at_interrupt
        self._parent = parent
        self._signals = signals.Signals(*signals.NUMBERS)
        self._status: int | None = None
        self._stopping = self._over = False

    def launch_service(self, server: service.ServiceBase, workers: int | None = 1) -> None:
        """Start a service.

        :raises ValueError: more than one worker
        """
        if workers not in (None, 1):
            raise ValueError('A single-process launcher supports one worker only.')
        self._services.append(server)
        threading.Thread(target=self._start, args=(server,), name='start', daemon=True).start()

    def _start(self, server: service.ServiceBase) -> None:
        try:
            server.start()
        except SystemExit as exc:  # the reason is logged already
            self._status = exc.code if isinstance(exc.code, int) else 1
        except BaseException:
            LOG.exception('A service could not start.')
            self._status = 1
        else:
            return
        self._signals.wake()

    def wait(self) -> int:
        """Wait until the process is stopped or a service cannot start; return the exit status."""
        if self._parent is None:
            systemd.notify_once()
            self._log_options()
        watched = () if self._parent is None else (self._parent,)
        while self._status is None and not self._stopping:
            number = self._signals.next(None, *watched)
            if number is not None:
                self._handle(number)
            elif self._status is None and self._has_no_parent():
                LOG.info('Parent process has died unexpectedly, exiting')
                self._status = 1
        threading.Thread(target=self._stop_all, name='stop', daemon=True).start()
        self._stop_in_time(self._is_over)
        return self._status or 0

    def _stop_all(self) -> None:
        try:
            self.stop()
            for server in self._services:
                server.wait()
        except Exception:
            LOG.exception('A service cannot stop.')
        finally:
            self._over = True
            self._signals.wake()

    def _is_over(self, seconds: float | None) -> bool:
        if not self._over and self._signals.next(seconds) == signal.SIGINT:
            os._exit(1)
        return self._over

    def _handle(self, number: int) -> None:
        if number == signal.SIGINT and not self._drains_at_interrupt:
            LOG.info('Caught SIGINT signal, instantaneous exiting')
            os._exit(1)
        name = signal.Signals(number).name
        LOG.info('Caught %s, handling', name)
        if name == 'SIGHUP' and service._is_daemon():
            self._reload()
        else:
            self._stopping = True

    def _has_no_parent(self) -> bool:
        return self._parent is not None and bool(select.select([self._parent], [], [], 0)[0])

    def stop(self) -> None:
        """Stop all services, in the order in which they were started."""
        for server in self._services:
            server.stop()
