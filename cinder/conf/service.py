# SPDX-License-Identifier: Apache-2.0
"""Options of every daemon: its name and address, heartbeats, and how it runs operations. Options of
one kind of daemon are in the module of that daemon."""

import socket

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt


def _my_ip() -> str:
    """Return the address from which this host reaches others; 127.0.0.1 without a route.

    Connecting a datagram socket sends nothing, it only looks up the route in the kernel; the
    destination is in the block that RFC 5737 reserves for documentation.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))
        except OSError:
            return '127.0.0.1'
        return probe.getsockname()[0]


CONCURRENCY_BACKEND = cfg.StrOpt(
    'concurrency_backend', default='eventlet', choices=[
        ('eventlet', 'green threads in one native thread for each process'),
        ('threading', 'native threads; the standard library is left as it is')],
    help='What the daemons use for work that goes on at the same time. It is read once, when a '
         'daemon starts. With "threading" cinder-api serves requests with the threads of '
         'gunicorn. WSGI servers of others have threads of their own and do not read it.')

OPTS = [
    CONCURRENCY_BACKEND,
    cfg.StrOpt('state_path', default='/var/lib/cinder',
               help='Directory for the local data of the service. Other options refer to it as '
                    '$state_path.'),
    cfg.HostAddressOpt('my_ip', default=_my_ip(), sample_default='192.0.2.11',
                       help='Address of this host, the default of options with an address. Not '
                            'set: the address from which this host reaches others.'),
    cfg.StrOpt('host', default=socket.gethostname(), sample_default='storage-1',
               help='Name of the services of this host. Volumes belong to it: keep it when the '
                    'machine is renamed or replaced. Not set: the name of the machine.'),
    cfg.StrOpt('cluster', sample_default='storage',
               help='Name of the cluster of this host. Volume services of a cluster share their '
                    'back ends and take over operations from each other: all its hosts must use '
                    'the same storage and the same [coordination] backend_url. Not set: none.'),
    cfg.StrOpt('storage_availability_zone', default='nova',
               help='Availability zone of the services of this host.'),
    cfg.IntOpt('report_interval', default=10, min=1,
               help='Seconds between two heartbeats of a service.'),
    cfg.IntOpt('service_down_time', default=60, min=1,
               help='Seconds without a heartbeat after which a service is down.'),
    cfg.IntOpt('periodic_interval', default=60, min=0,
               help='Seconds between two runs of the periodic tasks; 0: they do not run.'),
    cfg.IntOpt('periodic_fuzzy_delay', default=60, min=0,
               help='Maximum random delay, in seconds, before the first run of the periodic tasks, '
                    'so that services started together do not run them together; 0: none.'),
    cfg.BoolOpt('enable_new_services', default=True,
                help='Whether a service is enabled when it registers for the first time.'),
    cfg.StrOpt('volume_manager', default='cinder.volume.manager.VolumeManager',
               help='Class that handles the messages of cinder-volume.'),
    cfg.StrOpt('scheduler_manager', default='cinder.scheduler.manager.SchedulerManager',
               help='Class that handles the messages of cinder-scheduler.'),
    cfg.StrOpt('rootwrap_config', default='/etc/cinder/rootwrap.conf',
               help='Configuration file of rootwrap, which starts the privileged helper.'),
    cfg.IntOpt('message_ttl', default=2592000, min=0,
               help='Seconds for which a user message is kept.'),
    cfg.IntOpt('message_reap_interval', default=86400, min=1,
               help='Seconds between two deletions of expired user messages.'),
    cfg.IntOpt('operation_poll_interval', default=5, min=1,
               help='Seconds between two searches for operations that no service runs, for '
                    'instance because a message was lost.'),
    cfg.IntOpt('operation_lease', default=60, min=5,
               help='Seconds for which a service owns a running operation without renewing the '
                    'lease. Each heartbeat renews it: must be greater than report_interval.'),
    cfg.IntOpt('operation_max_attempts', default=3, min=1,
               help='Number of attempts for an operation before the status of its resource becomes '
                    'error.'),
    cfg.BoolOpt('fault_injection', default=False,
                help='Serve /faults, where a developer of a client makes operations and requests '
                     'slow, fail or hang; for tests of clients only. Needs cinder-all, '
                     'auth_strategy = noauth and a loopback address.'),
    NamesOpt('fault_points', default=[],
             help='Names of steps at which the service fails; for tests only.'),
]
