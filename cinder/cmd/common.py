# SPDX-License-Identifier: Apache-2.0
"""The steps that the daemons share; each main() puts them in the order of the contract."""
import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from oslo_log import log

from cinder import conf as cinder_conf
from cinder import config_check, failures, fault_points, masking, operations, service, version
from cinder.conf import CONF, logs
from cinder.db import session

LOG = log.getLogger(__name__)

@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the program with one clear line and status 1 when it cannot be set up, whatever a library
    makes of a wrong value; the traceback is there with the option debug."""
    try:
        yield
        return
    except Exception as exc:
        LOG.debug('Start failed.', exc_info=True)
        text = failures.one_line(exc)
    # Out of the block above: the log would add the exception once more.
    stop_with(text)


def stop_with(reason: object) -> None:
    """Print why the program cannot run, log it too if the log is elsewhere, and exit with 1."""
    text = masking.masked(' '.join(str(reason).split())) or type(reason).__name__
    if CONF.log_file or CONF.log_dir or CONF.use_syslog or CONF.use_journal:
        LOG.critical('%s', text)
    sys.exit(f'{os.path.basename(sys.argv[0])}: {text}')


def wait_for(launcher: 'service.Launcher') -> None:
    """Return when the daemon was told to stop.

    :raises SystemExit: with one line: none of its processes can be started.
    """
    if launcher.wait():
        stop_with('None of its processes could be started; the log says why.')


def read_configuration(*programs: str) -> None:
    """Parse the command line and the files, and stop at the first fatal problem in them.

    :param programs: of config_check.PROGRAMS, whose checks to run
    :raises SystemExit: with one line: an option, a value or a file is wrong.
    """
    log.register_options(CONF)
    logs.set_defaults()
    cinder_conf.configure(sys.argv, version.version_string())
    fatal = config_check.first_fatal(CONF, *programs)
    if fatal:
        stop_with(fatal)
    fault_points.arm(CONF.fault_points)


def start_logging() -> None:
    """Log as the options say, Python warnings included. The log is the first file of many: from
    here on nothing that this process makes is for every user of the host."""
    os.umask(os.umask(0o077) | 0o027)
    logs.setup(CONF, version.version_string())
    logging.captureWarnings(True)
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=_renew_log_locks)


def _renew_log_locks() -> None:
    """Give a forked process locks of its own for the log.

    Those of oslo.log are pipes, which fork shares: a worker that is killed while it writes a line
    would keep its parent and all other workers from ever writing another.
    """
    for handler in logging.getLogger().handlers:
        handler.createLock()


def warn_of_configuration() -> None:
    """Log the problems that are not fatal, and mend what cannot have been meant."""
    config_check.warn(CONF)
    if CONF.service_down_time <= CONF.report_interval:
        CONF.set_override('service_down_time', config_check.shortest_down_time(CONF))


def prepare_workers() -> None:
    """Make before the fork what all workers need: they share its memory, as nobody writes to it."""
    session.current()


def prepare_privileges() -> None:
    """Have privileged commands start through the rootwrap, or directly when already root."""
    from oslo_privsep import priv_context  # other daemons need not load it
    is_root = hasattr(os, 'geteuid') and os.geteuid() == 0
    helper = [] if is_root else ['sudo', 'cinder-rootwrap', CONF.rootwrap_config]
    priv_context.init(root_helper=helper)


class _Package:
    """What a guru meditation report says about us."""

    def vendor_string(self) -> str:
        return 'OpenStack'

    def product_string(self) -> str:
        return 'cinder'

    def version_string_with_package(self) -> str:
        return version.version_string()


def install_guru_meditation() -> None:
    """Write a report of threads, options and versions on SIGUSR2, or on the file event chosen;
    in a folder of [oslo_reports] log_dir it is in a file named after the program."""
    name = os.path.basename(sys.argv[0])
    if CONF.oslo_reports.file_event_handler:
        _report().setup_autorun(_Package(), name, conf=CONF)
    elif hasattr(signal, 'SIGUSR2'):
        signal.signal(signal.SIGUSR2, lambda _number, frame: _report().handle_signal(
            _Package(), name, CONF.oslo_reports.log_dir, frame))


@functools.cache
def _report() -> Any:
    # What it takes to write a report is 3 MB in each process, and nearly none ever writes one.
    from oslo_reports import guru_meditation_report as gmr
    gmr.TextGuruMeditation.register_section('Operations', operations.report)
    return gmr.TextGuruMeditation
