# SPDX-License-Identifier: Apache-2.0
"""How services become processes: one process or forked workers, reload, the time limit of a stop,
and the end when none can start. What forks and takes signals is in eventlet_launcher.py and
threading_launcher.py, one for each kind of threads."""
import contextlib
import importlib
import logging
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, Protocol

from oslo_config import cfg
from oslo_service import _options, service

from cinder import concurrency, exception, failures, masking
from cinder.conf import CONF, file_syntax, option_values
from cinder.rpc import base as rpc

LOG = logging.getLogger(__name__)

# Launchers register these too, but options are also read without one.
CONF.register_opts(_options.service_opts)

# The part of graceful_shutdown_timeout, at whose end the launcher kills the process, that a
# service may use to finish what it does.
DRAIN_SHARE = 0.8

# What trying again does not mend: a value, or something that a value names, is wrong.
_PERMANENT = (cfg.Error, exception.InvalidConfigurationValue, exception.InvalidPolicyFile,
              ImportError, LookupError, TypeError, ValueError, AttributeError)

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
        LOG.critical('%s cannot start: %s', what, failures.one_line(trouble))
        raise SystemExit(os.EX_CONFIG if isinstance(trouble, _PERMANENT) else 1)


class Launcher(Protocol):
    """Runs services, in this process or in forked workers."""

    def launch_service(self, server: service.ServiceBase, workers: int = 1) -> None:
        """Start a service."""

    def wait(self) -> int | None:
        """Return the exit status when the daemon was told to stop or cannot go on."""

    def stop(self) -> None:
        """Stop all services."""


_launcher: Launcher | None = None


def process_launcher() -> Launcher:
    """A launcher of forked workers."""
    return _launchers().ProcessLauncher(_survive_bad_reload(CONF))


def single_process_launcher() -> Launcher:
    """A launcher of several services in this process; Ctrl-C stops it as cleanly as SIGTERM does.
    """
    return _launchers().SingleProcessLauncher(_survive_bad_reload(CONF))


def _launchers() -> types.ModuleType:
    return importlib.import_module(f'cinder.service.{concurrency.name()}_launcher')


def serve(server: service.ServiceBase, workers: int | None = None) -> None:
    """Start a service in this process, or in `workers` children when they are more than one.

    :raises RuntimeError: called before.
    :raises ValueError: fewer than one worker.
    """
    global _launcher
    if _launcher:
        raise RuntimeError('serve() can only be called once')
    launch = (service.launch if concurrency.is_green() else _launchers().launch)
    _launcher = launch(_survive_bad_reload(CONF), server, workers=workers, restart_method='mutate')


def wait() -> int | None:
    """Return when the service that serve() started has ended, with its exit status."""
    try:
        return _launcher.wait()
    except KeyboardInterrupt:
        _launcher.stop()
        return None
    finally:
        rpc.cleanup()


def end(status: int | None) -> NoReturn:
    """End this process, which has no parent that has to know why. Work that a stop left
    unfinished is not waited for."""
    status = 1 if status == os.EX_CONFIG else status
    if not concurrency.is_green():
        # A native thread keeps the interpreter from ending until it has ended itself.
        logging.shutdown()
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        os._exit(status or 0)
    sys.exit(status)


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
            LOG.error('The configuration was not read again: %s', masking.masked(exc))
            return None
    mutate_config_files.survives = True
    conf.mutate_config_files = mutate_config_files
    return conf
