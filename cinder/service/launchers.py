# SPDX-License-Identifier: Apache-2.0
"""How services become processes: one process or forked workers, signals, reload, the time limit
of a stop, and the end when none can start. The mechanics are oslo.service's."""
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator

from eventlet import patcher
from eventlet.green import select
from oslo_config import cfg
from oslo_service import _options, service

from cinder import exception, utils
from cinder.conf import CONF, file_syntax, option_values
from cinder.rpc import base as rpc

LOG = logging.getLogger(__name__)

# Launchers register these too, but options are also read without one.
CONF.register_opts(_options.service_opts)

# The part of graceful_shutdown_timeout, at whose end the launcher kills the process, that a
# service may use to finish what it does.
DRAIN_SHARE = 0.8

# Whose write() lets no other thread run: it is called for each signal, also while one is handled.
_native_os = patcher.original('os')

# Seconds between two looks for ended workers: of a parent that runs, to which a signal tells of
# them, and of one that stops, to which none does.
LOOK, LOOK_AT_STOP = 5, 0.02

# What trying again does not mend: a value, or something that a value names, is wrong.
_PERMANENT = (cfg.Error, exception.InvalidConfigurationValue, exception.InvalidPolicyFile,
              ImportError, LookupError, TypeError, ValueError, AttributeError)

_launcher: service.Launcher | service.ProcessLauncher | None = None


@contextlib.contextmanager
def starting(what: str) -> Iterator[None]:
    """End the process when a service cannot start, with one line in the log; os.EX_CONFIG is the
    status of one that will not start the next time either.

    :param what: name of the service
    """
    trouble = None
    try:
        yield
    except Exception as exc:
        LOG.debug('Start failed.', exc_info=True)
        trouble = exc
    # Out of the block above: the log would add the exception once more.
    if trouble:
        LOG.critical('%s cannot start: %s', what, utils.one_line(trouble))
        raise SystemExit(os.EX_CONFIG if isinstance(trouble, _PERMANENT) else 1)


class ProcessLauncher(service.ProcessLauncher):
    """Forks, watches and replaces workers, and reloads options on SIGHUP. It does not replace a
    worker that ended with os.EX_CONFIG, and ends when none is left. It sleeps until a signal
    arrives, where the base class looks a hundred times a second."""

    def __init__(self) -> None:
        self.hopeless = False
        # Read by nobody else, so that the hub of eventlet polls and does not sleep, which no signal
        # would interrupt.
        self._awake, self._wake = os.pipe()
        for end in (self._awake, self._wake):
            os.set_blocking(end, False)
        super().__init__(_survive_bad_reload(CONF), wait_interval=0, restart_method='mutate')

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
            if select.select([self._awake], [], [], seconds)[0]:
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


def process_launcher() -> ProcessLauncher:
    """A launcher of forked workers."""
    return ProcessLauncher()


class SingleProcessLauncher(service.ServiceLauncher):
    """Runs several services in this process; Ctrl-C stops it as cleanly as SIGTERM does."""

    def __init__(self) -> None:
        super().__init__(_survive_bad_reload(CONF), restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        self.signal_handler.add_handler('SIGINT', self._graceful_shutdown)

    def _fast_exit(self, *_args: object) -> None:
        """The base class would exit here, at once."""

    def wait(self) -> int | None:
        """Return the exit status; there is no parent that has to know why."""
        return _plain(super().wait())


def serve(server: service.ServiceBase, workers: int | None = None) -> None:
    """Start a service in this process, or in `workers` children when they are more than one.

    :raises RuntimeError: called before.
    :raises ValueError: fewer than one worker.
    """
    global _launcher
    if _launcher:
        raise RuntimeError('serve() can only be called once')
    _launcher = service.launch(_survive_bad_reload(CONF), server, workers=workers,
                               restart_method='mutate')


def wait() -> int | None:
    """Return when the service that serve() started has ended, with its exit status."""
    try:
        return _plain(_launcher.wait())
    except KeyboardInterrupt:
        _launcher.stop()
        return None
    finally:
        rpc.cleanup()


def _plain(status: int | None) -> int | None:
    return 1 if status == os.EX_CONFIG else status


def drain_time() -> float | None:
    """Seconds for finishing work at a stop; None: as long as it takes."""
    return CONF.graceful_shutdown_timeout * DRAIN_SHARE or None


def within(seconds: float | None, work: Callable[[], None]) -> bool:
    """Whether `work` comes to its end in time; it goes on behind our back otherwise."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def at_once(calls: Iterable[Callable[[], None]]) -> None:
    """Make all calls at the same time; return when all have ended."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _survive_bad_reload(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Have SIGHUP with a broken file or a wrong value change nothing: the launchers would let the
    error kill us, and oslo.config would find the value when a request needs it."""
    reload = conf.mutate_config_files
    if getattr(reload, 'survives', False):
        return conf

    def mutate_config_files() -> dict | None:
        try:
            wrong = [problem for check in (file_syntax.check, option_values.check_files)
                     for problem in check(conf) if problem.fatal]
            if wrong:
                raise ValueError(wrong[0].text)
            return reload()
        except (cfg.Error, OSError, ValueError) as exc:
            LOG.error('The configuration was not read again: %s', utils.masked(exc))
            return None
    mutate_config_files.survives = True
    conf.mutate_config_files = mutate_config_files
    return conf
