# SPDX-License-Identifier: Apache-2.0
"""Launchers for eventlet, based on those of oslo.service: for forked workers, and for several
services in one process."""
import contextlib
import os

from oslo_config import cfg
from oslo_service import service

from cinder import concurrency

# Its write() does not switch threads: it is called for each signal, also during another one.
_native_os = concurrency.original('os')

# Seconds between two checks for ended workers: in a running parent, which a signal notifies, and in
# a parent that stops, which none does.
LOOK, LOOK_AT_STOP = 5, 0.02


class ProcessLauncher(service.ProcessLauncher):
    """Forks and replaces workers, and reloads options on SIGHUP. A worker that ended with
    os.EX_CONFIG is not replaced, and the launcher ends when none is left. It sleeps until a signal
    arrives; the base class polls a hundred times a second."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.hopeless = False
        # Without another reader, the hub of eventlet polls instead of a sleep that no signal would
        # interrupt.
        self._awake, self._wake = os.pipe()
        for end in (self._awake, self._wake):
            os.set_blocking(end, False)
        super().__init__(conf, wait_interval=0, restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        for name in ('SIGCHLD', 'SIGTERM', 'SIGHUP'):
            self.signal_handler.add_handler(name, self._note_signal)

    def _note_signal(self, *_args: object) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the loop as well
            _native_os.write(self._wake, b'.')

    def _wait_child(self) -> object:
        # Read the status before the base class reaps the child and discards it.
        ended = _ended_child()
        if not ended:
            seconds = LOOK if self.running else LOOK_AT_STOP
            if concurrency.is_readable(self._awake, seconds):
                _native_os.read(self._awake, 1000)
            ended = _ended_child()
        wrap = super()._wait_child()
        if wrap and ended and ended.si_pid not in self.children and (
                ended.si_code, ended.si_status) == (os.CLD_EXITED, os.EX_CONFIG):
            wrap.workers -= 1
            if not self.children and not wrap.workers:
                self.hopeless, self.running = True, False
        return wrap

    def wait(self) -> int:
        """Wait until the daemon is stopped, or no worker can start.

        :returns: exit status
        """
        super().wait()
        return int(self.hopeless)


def _ended_child() -> os.waitid_result | None:
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PGID, os.getpgrp(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None


class SingleProcessLauncher(service.ServiceLauncher):
    """Runs several services in this process; Ctrl-C stops it like SIGTERM."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf, restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        self.signal_handler.add_handler('SIGINT', self._graceful_shutdown)

    def _fast_exit(self, *_args: object) -> None:
        """Do nothing; the base class would exit at once."""
