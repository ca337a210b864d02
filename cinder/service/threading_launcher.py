# SPDX-License-Identifier: Apache-2.0
"""Launchers for native threads. The main thread handles signals and forks. In a parent it starts no
other thread, so that a worker never inherits a held lock.

The launchers of the threading back end of oslo.service, those of cotyledon, do less than those for
eventlet: SIGHUP ends the workers, a worker that cannot start is forked endlessly, the processes
leave the session of the terminal, so that Ctrl-C does not reach them, and no process runs several
services.
"""
import gc
import logging
import os
import random
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable

from oslo_config import cfg
from oslo_service import service, systemd

from cinder.service import signals

LOG = logging.getLogger(__name__)

# Seconds between two checks for ended workers, in addition to the signal.
LOOK = 5


class _Launcher:
    """Common parts of both launchers."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._services: list[service.ServiceBase] = []

    def _tell_options(self) -> None:
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


class SingleProcessLauncher(_Launcher):
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
            self._tell_options()
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


class _Workers:
    """The processes of one service."""

    def __init__(self, server: service.ServiceBase, number: int) -> None:
        self.server, self.number = server, number
        self.pids: set[int] = set()
        self._forked_at: deque[float] = deque()

    def lack(self) -> bool:
        return len(self.pids) < self.number

    def pause(self) -> float:
        """Return the seconds to wait before the next fork, if workers die immediately."""
        if len(self._forked_at) > self.number:
            began = self._forked_at.popleft()
            if time.monotonic() - began < self.number:
                return 1
        return 0

    def add(self, pid: int) -> None:
        self.pids.add(pid)
        self._forked_at.append(time.monotonic())


class ProcessLauncher(_Launcher):
    """Forks and replaces workers, and reloads options on SIGHUP. A worker that ended with
    os.EX_CONFIG is not replaced, and the launcher ends when none is left."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._signals = signals.Signals(*signals.NUMBERS, signal.SIGCHLD)
        # Reaches end of file in the workers when this process is gone.
        self._alive, self._life = os.pipe()
        self._all: list[_Workers] = []

    def launch_service(self, server: service.ServiceBase, workers: int = 1) -> None:
        """Start a service in this number of processes."""
        self._services.append(server)
        # Exclude existing objects from garbage collection, which would copy their shared pages.
        gc.freeze()
        LOG.info('Starting %d workers', workers)
        self._all.append(_Workers(server, workers))
        self._fill(self._all[-1])

    def _fill(self, workers: _Workers) -> None:
        while workers.lack():
            pause = workers.pause()
            if pause:
                LOG.info('Forking too fast, sleeping')
                time.sleep(pause)
            with signals.blocked():
                pid = os.fork()
                if not pid:
                    # It first sets up its signals; it never leaves this block.
                    self._run_worker(workers.server)
            LOG.debug('Started child %d', pid)
            workers.add(pid)

    def _run_worker(self, server: service.ServiceBase) -> None:
        status = 2
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._signals.close()
            os.close(self._life)
            random.seed()
            launcher = SingleProcessLauncher(self._conf, drains_at_interrupt=False,
                                             parent=self._alive)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.NUMBERS)
            launcher.launch_service(server)
            status = launcher.wait()
        except BaseException:
            LOG.exception('Unhandled exception')
        finally:
            # Only the parent continues after this.
            os._exit(status)

    def wait(self) -> int:
        """Wait until the daemon is stopped, or no worker can start.

        :returns: exit status
        """
        systemd.notify_once()
        self._tell_options()
        while True:
            number = self._signals.next(LOOK)
            self._reap(respawn=True)
            if not any(workers.number for workers in self._all):
                return 1
            if number == signal.SIGINT:
                LOG.info('Caught SIGINT signal, instantaneous exiting')
                os._exit(1)
            if number in (signal.SIGTERM, signal.SIGHUP):
                LOG.info('Caught %s, stopping children', signal.Signals(number).name)
                if number == signal.SIGTERM or not service._is_daemon():
                    self.stop()
                    return 0
                self._reload()
                self._tell_workers(signal.SIGHUP)

    def _reap(self, respawn: bool) -> None:
        for workers in self._all:
            for pid in list(workers.pids):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    workers.pids.remove(pid)
                    self._note_end(workers, pid, os.waitstatus_to_exitcode(status))
            if respawn:
                self._fill(workers)

    def _note_end(self, workers: _Workers, pid: int, code: int) -> None:
        if code < 0:
            LOG.info('Child %d killed by signal %d', pid, -code)
        else:
            LOG.info('Child %d exited with status %d', pid, code)
        if code == os.EX_CONFIG:
            workers.number -= 1

    def _tell_workers(self, number: int) -> None:
        for workers in self._all:
            for pid in workers.pids:
                os.kill(pid, number)

    def stop(self) -> None:
        """Stop the workers, and wait for all of them."""
        for server in self._services:
            server.stop()
        self._tell_workers(signal.SIGTERM)
        running = sum(len(workers.pids) for workers in self._all)
        LOG.info('Waiting on %d children to exit', running)
        self._stop_in_time(self._is_over)

    def _is_over(self, seconds: float | None) -> bool:
        if any(workers.pids for workers in self._all):
            if self._signals.next(LOOK if seconds is None else min(seconds, LOOK)) == signal.SIGINT:
                os._exit(1)
            self._reap(respawn=False)
        return not any(workers.pids for workers in self._all)


def launch(conf: cfg.ConfigOpts, server: service.ServiceBase, workers: int | None = 1,
           restart_method: str = 'mutate') -> _Launcher:
    """Start a service in this process, or in workers if they are more than one.

    :param restart_method: as in oslo.service, which has further ones
    :raises ValueError: fewer than one worker
    """
    if workers is not None and workers < 1:
        raise ValueError('Number of workers should be positive!')
    if workers in (None, 1):
        launcher = SingleProcessLauncher(conf, drains_at_interrupt=False)
    else:
        launcher = ProcessLauncher(conf)
    launcher.launch_service(server, workers=workers)
    return launcher
