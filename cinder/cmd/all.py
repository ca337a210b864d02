# SPDX-License-Identifier: Apache-2.0
"""cinder-all: API, scheduler, volume and backup services in one process, on an in-memory bus."""
from cinder.cmd import monkey_patch  # noqa: F401, I001 - first, see there

import os

from oslo_log import log as logging
from oslo_reports import opts as gmr_opts
from oslo_service.service import ServiceBase

from cinder import config_check, masking, objects, service
from cinder.wsgi import middleware
from cinder.api import deployment_metrics, readyz
from cinder.service import states
from cinder.cmd import backup, common, scheduler, volume
from cinder.conf import CONF
from cinder.conf import backup as backup_options
from cinder.db import notices, services, session
from cinder.rpc import base as rpc

LOG = logging.getLogger(__name__)


def main() -> None:
    """Entry point of the console script; returns when the daemon is stopped."""
    with common.errors_in_one_line():
        servers = prepare()
        launcher = service.single_process_launcher()
        for server in servers:
            launcher.launch_service(server)
    status = launcher.wait()
    rpc.cleanup()
    service.end(status)


def prepare() -> list[ServiceBase]:
    """Do everything before the launch.

    :returns: the services; they stop in this order, so the API takes no requests during the stop
    """
    objects.register_all()
    gmr_opts.set_defaults(CONF)
    # All services are on this host; other clients need an explicit address.
    CONF.set_default('osapi_volume_listen', '127.0.0.1')
    CONF.set_default('backup_driver', backup_options.EMBEDDED_DRIVER)
    CONF.set_default('enabled', True, 'dashboard')
    middleware.set_defaults()
    rpc.default_to_memory()
    common.read_configuration(*config_check.PROGRAMS)
    common.start_logging()
    common.open_metrics('api_port', deployment_metrics.Deployment(),
                        readiness=readyz.listener_page(states.all_states))
    common.prepare_privileges()
    common.install_guru_meditation()
    rpc.init(CONF, services.minimum_versions, url='fake:/', store=notices)
    _prepare_state()
    backends = [volume.create_service(name) for name in CONF.enabled_backends]
    volume._ensure_service_started(any(backends))
    servers = [service.WSGIService('osapi_volume'),
               service.Service.create(binary=scheduler.BINARY), backup.create_service(),
               *filter(None, backends)]
    common.warn_of_configuration()
    return servers


def _prepare_state() -> None:
    """Create the state directory and, in a database file, the tables."""
    os.makedirs(CONF.state_path, mode=0o700, exist_ok=True)
    session.verify()
    # Imported here, because only this function needs it and alembic.
    from cinder.db import migration
    url = CONF.database.connection
    if url.startswith('sqlite:') and migration.db_version() != migration.head():
        LOG.info('Upgrading the tables of %s to this release.', masking.masked(url))
        migration.db_sync()


if __name__ == '__main__':
    main()
