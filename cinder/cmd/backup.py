# SPDX-License-Identifier: Apache-2.0
"""cinder-backup: copies volumes to a store and back."""
from cinder.cmd import monkey_patch  # noqa: F401, I001 - first, see there

from oslo_reports import opts as gmr_opts

from cinder import objects, service
from cinder.backup import processes
from cinder.cmd import common
from cinder.conf import CONF
from cinder.db import notices, services, session
from cinder.rpc import base as rpc
from cinder.rpc import reachability

BINARY = 'cinder-backup'


def main() -> None:
    """Entry point of the console script; returns when the daemon is stopped."""
    with common.errors_in_one_line():
        prepare()
        number = processes.number()
        if number > 1:
            _launch(number)
            return
        server = create_service()
        common.warn_of_configuration()
        service.serve(server)
    service.end(service.wait())


def prepare() -> None:
    """Do everything before the services are created."""
    objects.register_all()
    gmr_opts.set_defaults(CONF)
    common.read_configuration(BINARY)
    common.start_logging()
    common.open_metrics('backup_port')
    session.verify()
    common.prepare_privileges()
    common.install_guru_meditation()
    rpc.init(CONF, services.minimum_versions, store=notices)
    reachability.check_broker()


def create_service(worker: int = 0) -> 'service.Service':
    """Create the service of one process.

    :param worker: its number among the processes of this host; the first one receives the messages,
        the others find their work in the journal.
    """
    return service.Service.create(binary=BINARY, service_name=str(worker), coordination=True,
                                  receives=worker == 0)


def _launch(number: int) -> None:
    common.prepare_workers()
    launcher = service.process_launcher()
    for worker in range(number):
        launcher.launch_service(create_service(worker))
    common.warn_of_configuration()
    common.wait_for(launcher)


if __name__ == '__main__':
    main()
