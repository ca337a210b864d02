# SPDX-License-Identifier: Apache-2.0
"""Options of every daemon: who and where it is, how it reports that it lives, and how it
runs operations. What a single kind of daemon reads is in the file of that daemon."""

import socket

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt


def _my_ip() -> str:
    """The address this host would use to reach others; the loopback one without a route.

    Connecting a datagram socket sends nothing, it only asks the kernel for a route; the
    destination is from the block that RFC 5737 keeps for documentation.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))
        except OSError:
            return '127.0.0.1'
        return probe.getsockname()[0]


OPTS = [
    cfg.StrOpt('state_path', default='/var/lib/cinder',
               help='Folder for everything the service keeps on local disk. Other options '
                    'refer to it as $state_path.'),
    cfg.HostAddressOpt('my_ip', default=_my_ip(), sample_default='192.0.2.11',
                       help='Address of this host, the default wherever others must reach it. '
                            'Not set: the one from which it reaches others.'),
    cfg.StrOpt('host', default=socket.gethostname(), sample_default='storage-1',
               help='Name under which the services of this host appear. Volumes are bound to '
                    'it: keep it when the machine is renamed or replaced. Not set: the name of '
                    'the machine.'),
    cfg.StrOpt('cluster', sample_default='storage',
               help='Name of the cluster this host belongs to. Volume services of one cluster '
                    'share their back ends and take over operations from each other: the '
                    'storage, and the locks of [coordination] backend_url, must be those of all '
                    'its hosts. Not set: none.'),
    cfg.StrOpt('storage_availability_zone', default='nova',
               help='Availability zone of the services of this host.'),
    cfg.IntOpt('report_interval', default=10, min=1,
               help='Seconds between two heartbeats of a service.'),
    cfg.IntOpt('service_down_time', default=60, min=1,
               help='Seconds since the last heartbeat after which a service counts as down.'),
    cfg.IntOpt('periodic_interval', default=60, min=0,
               help='Seconds between two runs of the periodic tasks; 0 turns them off.'),
    cfg.IntOpt('periodic_fuzzy_delay', default=60, min=0,
               help='Longest random pause, in seconds, before the first run of the periodic '
                    'tasks, so that services started together do not work in step; 0: none.'),
    cfg.BoolOpt('enable_new_services', default=True,
                help='Whether a service that registers for the first time takes work at once.'),
    cfg.StrOpt('volume_manager', default='cinder.volume.manager.VolumeManager',
               help='Class that handles the messages of cinder-volume.'),
    cfg.StrOpt('scheduler_manager', default='cinder.scheduler.manager.SchedulerManager',
               help='Class that handles the messages of cinder-scheduler.'),
    cfg.StrOpt('rootwrap_config', default='/etc/cinder/rootwrap.conf',
               help='Configuration file of the rootwrap that starts the privileged helper.'),
    cfg.IntOpt('message_ttl', default=2592000, min=0,
               help='Seconds for which a user message is kept.'),
    cfg.IntOpt('message_reap_interval', default=86400, min=1,
               help='Seconds between two removals of user messages that are too old.'),
    cfg.IntOpt('operation_poll_interval', default=5, min=1,
               help='Seconds between two searches for operations that nobody runs, for '
                    'instance because a message was lost.'),
    cfg.IntOpt('operation_lease', default=60, min=5,
               help='Seconds for which a running operation belongs to its service without a '
                    'renewal. Each heartbeat renews it: keep it above report_interval.'),
    cfg.IntOpt('operation_max_attempts', default=3, min=1,
               help='Number of attempts at one operation before its resource is put in error.'),
    NamesOpt('fault_points', default=[],
             help='Named steps at which the service is to fail, for tests only.'),
]
