# SPDX-License-Identifier: Apache-2.0
"""Options of the metrics: whether daemons count, where they listen for Prometheus, and who may read
the metrics of the API."""

from oslo_config import cfg

from cinder.conf.option_types import Network

GROUP = 'metrics'


def _port(name: str, number: int, program: str) -> cfg.Opt:
    return cfg.PortOpt(f'{name}_port', default=number,
                       help=f'Port of the metrics of {program}; 0: any free port, which the log '
                            'names.')


OPTS = [
    cfg.BoolOpt('enabled', default=False,
                help='Have each daemon count and measure its work, and serve the numbers to '
                     'Prometheus at /metrics, and its state at /readyz, on a port of its own. '
                     'cinder-api also serves /metrics next to its API, for a token or one of '
                     'allowed_networks.'),
    cfg.HostAddressOpt('listen', default='127.0.0.1',
                       help='Address of those ports. Everyone who reaches them can read the '
                            'numbers.'),
    _port('api', 9776, 'cinder-api and of cinder-all'),
    _port('scheduler', 9777, 'cinder-scheduler'),
    _port('volume', 9778, 'cinder-volume'),
    _port('backup', 9779, 'cinder-backup'),
    cfg.StrOpt('directory', sample_default='/run/cinder/metrics',
               help='Directory in which the processes of cinder-api share their numbers under an '
                    'external WSGI server; it must be empty when that server starts. Not set: each '
                    'daemon makes a temporary directory.'),
    cfg.ListOpt('allowed_networks', item_type=Network(), default=[],
                sample_default=['192.0.2.0/24'],
                help='Networks whose requests to /metrics of the API need no token. A request '
                     'through a proxy always needs one.'),
    cfg.BoolOpt('deployment', default=True,
                help='Have cinder-api report the services, the operations in the database and the '
                     'quotas of the whole deployment, which takes one SQL statement for each '
                     'scrape. One cinder-api is enough.'),
    cfg.IntOpt('quota_projects', default=0, min=0, max=100,
               help='Number of projects, those with the most GiB of volumes, whose quotas and use '
                    'of them cinder-api reports. They are read once a minute, with one SQL '
                    'statement for each. 0: none.'),
]
