# SPDX-License-Identifier: Apache-2.0
"""cinder-scheduler: selects the back ends of volumes."""
from cinder.cmd import monkey_patch  # noqa: F401, I001 - first, see there

from oslo_reports import opts as gmr_opts

from cinder import objects, service
from cinder.cmd import common
from cinder.conf import CONF
from cinder.db import notices, services, session
from cinder.rpc import base as rpc

BINARY = 'cinder-scheduler'


def main() -> None:
    """Entry point of the console script; returns when the daemon is stopped."""
    with common.errors_in_one_line():
        service.serve(prepare())
    service.end(service.wait())


def prepare() -> 'service.Service':
    """Do everything before the launch; return the service."""
    objects.register_all()
    gmr_opts.set_defaults(CONF)
    common.read_configuration(BINARY)
    common.start_logging()
    common.open_metrics('scheduler_port')
    session.verify()
    common.install_guru_meditation()
    rpc.init(CONF, services.minimum_versions, store=notices)
    server = service.Service.create(binary=BINARY)
    common.warn_of_configuration()
    return server


if __name__ == '__main__':
    main()
