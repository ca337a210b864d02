# SPDX-License-Identifier: Apache-2.0
"""Steps of the start that the daemons share; each main() calls them in the required order."""
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from oslo_log import log

from cinder import conf as cinder_conf
from cinder import (
    config_check,
    failures,
    fault_points,
    masking,
    metrics,
    operations,
    service,
    version,
)
from cinder.conf import CONF, logs
from cinder.db import session
from cinder.service import metrics_listener, states

LOG = log.getLogger(__name__)

@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the program with one line and status 1 if it cannot start, whatever error a library
    raises; with the option debug, the traceback is logged."""
    try:
        yield
        return
    except Exception as exc:
        LOG.debug('Start failed.', exc_info=True)
        text = failures.one_line(exc)
    # Outside the except block: the log formatter would append the exception again.
    stop_with(text)


def stop_with(reason: object) -> None:
    """Print why the program cannot run, log it if the log is elsewhere, and exit with status 1."""
    text = masking.masked(' '.join(str(reason).split())) or type(reason).__name__
    elsewhere = CONF.log_file or CONF.log_dir or CONF.use_syslog or CONF.use_journal
    # Before logging is set up, the text would be printed again, by the handler for that of the
    # standard library or one that a library adds when it is imported.
    if elsewhere and any(type(handler) is not logging.StreamHandler
                         for handler in logging.getLogger().handlers):
        LOG.critical('%s', text)
    sys.exit(f'{os.path.basename(sys.argv[0])}: {text}')


def wait_for(launcher: 'service.Launcher') -> None:
    """Wait until the daemon is stopped.

    :raises SystemExit: none of its processes can be started; the message is one line.
    """
    if launcher.wait():
        stop_with('None of the processes could be started; see the log for the reasons.')


def read_configuration(*programs: str) -> None:
    """Parse the command line and the files, and exit at the first fatal problem.

    :param programs: members of config_check.PROGRAMS, whose checks to run
    :raises SystemExit: an option, a value or a file is not valid; the message is one line.
    """
    log.register_options(CONF)
    logs.set_defaults()
    cinder_conf.configure(sys.argv, version.version_string())
    fatal = config_check.first_fatal(CONF, *programs)
    if fatal:
        stop_with(fatal)
    if CONF.fault_injection and not config_check.PROGRAMS.issubset(programs):
        stop_with('[DEFAULT] fault_injection = true needs cinder-all: the faults belong to one '
                  'process.')
    fault_points.arm(CONF.fault_points)


def start_logging() -> None:
    """Set up logging as configured, including Python warnings. Files that the process creates from
    now on, the log first, are not accessible to all users of the host."""
    os.umask(os.umask(0o077) | 0o027)
    logs.setup(CONF, version.version_string())
    logging.captureWarnings(True)
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=_renew_log_locks)


def _renew_log_locks() -> None:
    """Create new log locks in a forked process.

    The locks of oslo.log are pipes, which fork shares: if a worker were killed while it writes a
    line, its parent and all other workers could not log any more.
    """
    for handler in logging.getLogger().handlers:
        handler.createLock()


def open_metrics(port: str, *collectors: Any,
                 readiness: Callable[[], tuple[int, str, bytes]] = states.page) -> None:
    """Begin to count, and open the port of the metrics, if the option says so. Must be called
    before the database is used, whose statements are measured, and before a fork.

    :param port: option with the port of the daemon, such as 'api_port'
    :param collectors: further collectors of prometheus-client
    :param readiness: answers /readyz
    """
    def page() -> tuple[int, str, bytes]:
        store = metrics.current()
        return 200, metrics.CONTENT_TYPE, store.render(*collectors) if store else b''
    metrics_listener.open_socket(port, {'/metrics': page, '/readyz': readiness})


def warn_of_configuration() -> None:
    """Log the problems that are not fatal, and correct a service_down_time that is too short."""
    config_check.warn(CONF)
    if CONF.service_down_time <= CONF.report_interval:
        CONF.set_override('service_down_time', config_check.shortest_down_time(CONF))


def prepare_workers() -> None:
    """Create what all workers need before the fork, so that they share the memory."""
    session.current()


def prepare_privileges() -> None:
    """Start privileged commands through rootwrap, or directly if the user is root."""
    from oslo_privsep import priv_context  # not needed by other daemons
    is_root = hasattr(os, 'geteuid') and os.geteuid() == 0
    helper = [] if is_root else ['sudo', 'cinder-rootwrap', CONF.rootwrap_config]
    priv_context.init(root_helper=helper)


class _Package:
    """The package information in a guru meditation report."""

    def vendor_string(self) -> str:
        return 'OpenStack'

    def product_string(self) -> str:
        return 'cinder'

    def version_string_with_package(self) -> str:
        return version.version_string()


def install_guru_meditation() -> None:
    """Write a report of threads, options and versions on SIGUSR2, or on the configured file event.
    With [oslo_reports] log_dir, the report is a file there that is named after the program."""
    name = os.path.basename(sys.argv[0])
    if CONF.oslo_reports.file_event_handler:
        _report().setup_autorun(_Package(), name, conf=CONF)
    elif hasattr(signal, 'SIGUSR2'):
        signal.signal(signal.SIGUSR2, lambda _number, frame: _report().handle_signal(
            _Package(), name, CONF.oslo_reports.log_dir, frame))


def _thread_names() -> str:
    """Return the names of the threads; in the report of the library they have only ids."""
    return '\n'.join(f'Thread #{thread.ident}: {thread.name}'
                     for thread in sorted(threading.enumerate(), key=lambda each: each.name))


@functools.cache
def _report() -> Any:
    # The modules for a report take 3 MB in each process, and a report is rarely written.
    from oslo_reports import guru_meditation_report as gmr
    gmr.TextGuruMeditation.register_section('Operations', operations.report)
    gmr.TextGuruMeditation.register_section('Names of threads', _thread_names)
    return gmr.TextGuruMeditation
