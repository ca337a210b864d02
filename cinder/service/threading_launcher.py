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
import signal
import time
from collections import deque

from oslo_config import cfg
from oslo_service import service, systemd

from cinder.service import signals
from cinder.service.threading_process import Launcher, SingleProcessLauncher

LOG = logging.getLogger(__name__)

# Seconds between two checks for ended workers, in addition to the signal.
LOOK = 5


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


class ProcessLauncher(Launcher):
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
        self._log_options()
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
           restart_method: str = 'mutate') -> Launcher:
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
