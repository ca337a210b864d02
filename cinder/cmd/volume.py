# SPDX-License-Identifier: Apache-2.0
"""cinder-volume: one service per enabled back end, each in a child process."""
from cinder.cmd import monkey_patch  # noqa: F401, I001 - first, see there

import os
import subprocess  # nosec B404 # one program, this one; see _spawn
import sys

from oslo_config import cfg
from oslo_log import log as logging
from oslo_reports import opts as gmr_opts

from cinder import exception, failures, objects, service
from cinder.cmd import common
from cinder.conf import CONF, backend, option_values
from cinder.db import notices, services, session
from cinder.rpc import base as rpc
from cinder.rpc import reachability
from cinder.volume import configuration

LOG = logging.getLogger(__name__)

BINARY = 'cinder-volume'
BACKEND_NAME = cfg.StrOpt(
    'backend_name',
    help='Back end of enabled_backends that this process runs. Set by the parent process on '
         'systems without fork, such as Windows; do not set it elsewhere.')


def main() -> None:
    """Entry point of the console script; returns when the daemon is stopped."""
    with common.errors_in_one_line():
        prepare()
        launch = _launch_services_win32 if os.name == 'nt' else _launch_services_posix
        launch()


def prepare() -> None:
    """Do everything before the back ends."""
    objects.register_all()
    gmr_opts.set_defaults(CONF)
    CONF.register_cli_opt(BACKEND_NAME)
    common.read_configuration(BINARY)
    common.start_logging()
    common.open_metrics('volume_port')
    session.verify()
    common.prepare_privileges()
    common.install_guru_meditation()
    rpc.init(CONF, services.minimum_versions, store=notices)
    reachability.check_broker()


def create_service(name: str) -> service.Service | None:
    """Create the service of one back end; log the reason and return None if that fails."""
    try:
        if name in (refused := option_values.refused_backends(CONF)):
            raise exception.InvalidConfigurationValue(refused[name])
        options = configuration.Configuration(config_group=name)
        for option in backend.OPTS:
            getattr(options, option.dest)
        return service.Service.create(
            binary=BINARY, host=f'{options.backend_host or CONF.host}@{name}', service_name=name,
            coordination=True, cluster=CONF.cluster and f'{CONF.cluster}@{name}',
            availability_zone=options.backend_availability_zone)
    except Exception as exc:  # the other back ends must start nevertheless
        LOG.debug('Back end %s cannot be created.', name, exc_info=True)
        trouble = failures.one_line(exc)
    # Outside the except block: the log formatter would append the exception again.
    LOG.error('Back end %s is skipped: %s', name, trouble)
    return None


def _launch_service(launcher: 'service.Launcher', name: str) -> bool:
    """Start the service of one back end; return whether it was created."""
    server = create_service(name)
    if server:
        launcher.launch_service(server)
    return server is not None


def _ensure_service_started(started: bool) -> None:
    if not started:
        common.stop_with('None of the enabled back ends could be started; see the log for the '
                         'reasons.')


def _launch_services_posix() -> None:
    common.prepare_workers()
    common.warn_of_configuration()
    launcher = service.process_launcher()
    started = [_launch_service(launcher, name) for name in CONF.enabled_backends]
    _ensure_service_started(any(started))
    common.wait_for(launcher)


def _launch_services_win32() -> None:
    """Run this program once for each back end, with --backend_name, because fork is missing."""
    names = CONF.enabled_backends
    if CONF.backend_name and CONF.backend_name not in names:
        raise exception.InvalidInput(
            reason=f'backend_name = {CONF.backend_name} is not in enabled_backends = '
                   f'{", ".join(names)}')
    name = CONF.backend_name or (names[0] if len(names) == 1 else None)
    if name:
        launcher = service.single_process_launcher()
        _ensure_service_started(_launch_service(launcher, name))
        launcher.wait()
        return
    children = [_spawn(name) for name in names]
    try:
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.terminate()


def _spawn(name: str) -> subprocess.Popen:
    return subprocess.Popen(  # nosec B603 # our own program and arguments, no shell
        [sys.executable, '-m', 'cinder.cmd.volume', *sys.argv[1:], '--backend_name', name])


if __name__ == '__main__':
    main()
