# SPDX-License-Identifier: Apache-2.0
"""cinder-api: the REST API, served by forked workers that share one socket."""
from cinder.cmd import monkey_patch  # noqa: F401, I001 - first, see there

from oslo_reports import opts as gmr_opts

from cinder import config_check, objects, service
from cinder.wsgi import middleware
from cinder.api import deployment_metrics, readyz
from cinder.service import states
from cinder.cmd import common
from cinder.conf import CONF
from cinder.db import notices, services, session
from cinder.rpc import base as rpc
from cinder.rpc import reachability


def main() -> None:
    """Entry point of the console script; returns when the daemon is stopped."""
    with common.errors_in_one_line():
        server = prepare()
        common.prepare_workers()
        launcher = service.process_launcher()
        launcher.launch_service(server, workers=server.workers)
    common.wait_for(launcher)


def prepare() -> 'service.WSGIService':
    """Do everything before the launch; return the service."""
    objects.register_all()
    gmr_opts.set_defaults(CONF)
    middleware.set_defaults()
    common.read_configuration(config_check.API)
    common.start_logging()
    common.open_metrics('api_port', deployment_metrics.Deployment(),
                        readiness=readyz.listener_page(states.all_states))
    session.verify()
    common.install_guru_meditation()
    rpc.init(CONF, services.minimum_versions, store=notices)
    reachability.check_broker()
    server = service.WSGIService('osapi_volume')
    common.warn_of_configuration()
    return server


if __name__ == '__main__':
    main()
