# SPDX-License-Identifier: Apache-2.0
"""Starts services in one process or in forked workers: reload, the time limit of a stop, and the
end if none can start. eventlet_launcher.py and threading_launcher.py, one for each kind of threads,
fork and handle signals."""
import contextlib
import importlib
import logging
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, Protocol

from oslo_config import cfg
from oslo_service import _options, service

from cinder import concurrency, exception, failures, masking
from cinder.conf import CONF, file_syntax, option_values
from cinder.metrics import directories
from cinder.rpc import base as rpc

LOG = logging.getLogger(__name__)

# Launchers register these options too, but they are also read without a launcher.
CONF.register_opts(_options.service_opts)

# Part of graceful_shutdown_timeout that a service may use to finish its work; at the end of the
# timeout, the launcher kills the process.
DRAIN_SHARE = 0.8

# Errors that a retry does not correct: a value, or something that it refers to, is wrong.
_PERMANENT = (cfg.Error, exception.InvalidConfigurationValue, exception.InvalidPolicyFile,
              ImportError, LookupError, TypeError, ValueError, AttributeError)

@contextlib.contextmanager
def starting(what: str) -> Iterator[None]:
    """End the process if a service cannot start, with one line in the log. The status os.EX_CONFIG
    means that it would not start the next time either.

    :param what: name of the service
    """
    trouble = None
    try:
        yield
    except Exception as exc:
        LOG.debug('Start failed.', exc_info=True)
        trouble = exc
    # Outside the except block: the log formatter would append the exception again.
    if trouble:
        LOG.critical('%s cannot start: %s', what, failures.one_line(trouble))
        raise SystemExit(os.EX_CONFIG if isinstance(trouble, _PERMANENT) else 1)


class Launcher(Protocol):
    """Interface of the launchers, in this process or with forked workers."""

    def launch_service(self, server: service.ServiceBase, workers: int = 1) -> None:
        """Start a service."""

    def wait(self) -> int | None:
        """Wait until the daemon is stopped or cannot continue; return the exit status."""

    def stop(self) -> None:
        """Stop all services."""


_launcher: Launcher | None = None


def process_launcher() -> Launcher:
    """Create a launcher of forked workers."""
    return _launchers().ProcessLauncher(_reject_bad_reload(CONF))


def single_process_launcher() -> Launcher:
    """Create a launcher of several services in this process; Ctrl-C stops it like SIGTERM."""
    return _launchers().SingleProcessLauncher(_reject_bad_reload(CONF))


def _launchers() -> types.ModuleType:
    return importlib.import_module(f'cinder.service.{concurrency.name()}_launcher')


def serve(server: service.ServiceBase, workers: int | None = None) -> None:
    """Start a service in this process, or in `workers` child processes if that is more than one.

    :raises RuntimeError: it was called before.
    :raises ValueError: fewer than one worker.
    """
    global _launcher
    if _launcher:
        raise RuntimeError('serve() can only be called once')
    launch = (service.launch if concurrency.is_green() else _launchers().launch)
    _launcher = launch(_reject_bad_reload(CONF), server, workers=workers, restart_method='mutate')


def wait() -> int | None:
    """Wait until the service that serve() started has ended; return its exit status."""
    try:
        return _launcher.wait()
    except KeyboardInterrupt:
        _launcher.stop()
        return None
    finally:
        rpc.cleanup()


def end(status: int | None) -> NoReturn:
    """End this process, without a parent that needs the reason. Work that a stop left unfinished is
    not waited for."""
    status = 1 if status == os.EX_CONFIG else status
    if not concurrency.is_green():
        # A native thread would keep the interpreter alive until it ends.
        logging.shutdown()
        directories.remove()
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        os._exit(status or 0)
    sys.exit(status)


def drain_time() -> float | None:
    """Return the seconds for finishing work at a stop; None: unlimited."""
    return CONF.graceful_shutdown_timeout * DRAIN_SHARE or None


def run_with_timeout(work: Callable[[], None], seconds: float | None, name: str) -> bool:
    """Run a function in a thread; return whether it finished in time. Otherwise it continues.

    :param seconds: None: wait for the end
    :param name: of the thread, in reports
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def run_concurrently(calls: Iterable[Callable[[], None]], name: str) -> None:
    """Make each call in a thread of its own; return when all have ended.

    :param name: of the threads, in reports
    """
    threads = [threading.Thread(target=call, name=name, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _reject_bad_reload(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Ignore SIGHUP if a file is broken or a value is wrong. Otherwise the launchers would end on
    the error, or oslo.config would find the value when a request needs it."""
    reload = conf.mutate_config_files
    if getattr(reload, 'checks_first', False):
        return conf

    def mutate_config_files() -> dict | None:
        try:
            wrong = [problem for check in (file_syntax.check, option_values.check_files)
                     for problem in check(conf) if problem.fatal]
            if wrong:
                raise ValueError(wrong[0].text)
            return reload()
        except (cfg.Error, OSError, ValueError) as exc:
            LOG.error('The configuration is not reloaded: %s', masking.masked(exc))
            return None
    checked: Any = mutate_config_files
    checked.checks_first = True
    conf.mutate_config_files = checked
    return conf
