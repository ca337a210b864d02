# SPDX-License-Identifier: Apache-2.0
"""The launchers of services whose threads are green: those of oslo.service, for the forked workers
of a daemon and for the services of one process."""
import contextlib
import os

from oslo_config import cfg
from oslo_service import service

from cinder import concurrency

# Whose write() lets no other thread run: it is called for each signal, also while one is handled.
_native_os = concurrency.original('os')

# Seconds between two looks for ended workers: of a parent that runs, to which a signal tells of
# them, and of one that stops, to which none does.
LOOK, LOOK_AT_STOP = 5, 0.02


class ProcessLauncher(service.ProcessLauncher):
    """Forks, watches and replaces workers, and reloads options on SIGHUP. It does not replace a
    worker that ended with os.EX_CONFIG, and ends when none is left. It sleeps until a signal
    arrives, where the base class looks a hundred times a second."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.hopeless = False
        # Read by nobody else, so that the hub of eventlet polls and does not sleep, which no signal
        # would interrupt.
        self._awake, self._wake = os.pipe()
        for end in (self._awake, self._wake):
            os.set_blocking(end, False)
        super().__init__(conf, wait_interval=0, restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        for name in ('SIGCHLD', 'SIGTERM', 'SIGHUP'):
            self.signal_handler.add_handler(name, self._note_signal)

    def _note_signal(self, *_args: object) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full, and wakes us as well
            _native_os.write(self._wake, b'.')

    def _wait_child(self) -> object:
        # The status has to be seen before the base class reaps the child and forgets it.
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
        """Return when the daemon was told to stop, or when no worker can start.

        :returns: exit status
        """
        super().wait()
        return int(self.hopeless)


def _ended_child() -> object:
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PGID, os.getpgrp(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None


class SingleProcessLauncher(service.ServiceLauncher):
    """Runs several services in this process; Ctrl-C stops it as cleanly as SIGTERM does."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf, restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        self.signal_handler.add_handler('SIGINT', self._graceful_shutdown)

    def _fast_exit(self, *_args: object) -> None:
        """The base class would exit here, at once."""
