# SPDX-License-Identifier: Apache-2.0
"""How services become processes: one process or forked workers, signals, reload and the time
limit of a stop. The mechanics are oslo.service's."""
import logging
import threading
from collections.abc import Callable

from oslo_config import cfg
from oslo_service import _options, service

from cinder.conf import CONF
from cinder.rpc import base as rpc

LOG = logging.getLogger(__name__)

# Launchers register these too, but options are also read without one.
CONF.register_opts(_options.service_opts)

# The part of graceful_shutdown_timeout, at whose end the launcher kills the process, that a
# service may use to finish what it does.
DRAIN_SHARE = 0.8

_launcher: service.Launcher | service.ProcessLauncher | None = None


def process_launcher() -> service.ProcessLauncher:
    """A launcher that forks, watches and replaces workers, and reloads options on SIGHUP."""
    return service.ProcessLauncher(_survive_bad_reload(CONF), restart_method='mutate')


class SingleProcessLauncher(service.ServiceLauncher):
    """Runs several services in this process; Ctrl-C stops it as cleanly as SIGTERM does."""

    def __init__(self) -> None:
        super().__init__(_survive_bad_reload(CONF), restart_method='mutate')

    def handle_signal(self) -> None:
        super().handle_signal()
        self.signal_handler.add_handler('SIGINT', self._graceful_shutdown)

    def _fast_exit(self, *_args: object) -> None:
        """The base class would exit here, at once."""


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
        return _launcher.wait()
    except KeyboardInterrupt:
        _launcher.stop()
        return None
    finally:
        rpc.cleanup()


def drain_time() -> float | None:
    """Seconds for finishing work at a stop; None: as long as it takes."""
    return CONF.graceful_shutdown_timeout * DRAIN_SHARE or None


def within(seconds: float | None, work: Callable[[], None]) -> bool:
    """Whether `work` comes to its end in time; it goes on behind our back otherwise."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def _survive_bad_reload(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Have SIGHUP with a broken file change nothing; the launchers would let the error kill us."""
    reload = conf.mutate_config_files
    if getattr(reload, 'survives', False):
        return conf

    def mutate_config_files() -> dict | None:
        try:
            return reload()
        except (cfg.Error, OSError, ValueError) as exc:
            LOG.error('The configuration was not read again: %s', exc)
            return None
    mutate_config_files.survives = True
    conf.mutate_config_files = mutate_config_files
    return conf
