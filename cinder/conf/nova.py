# SPDX-License-Identifier: Apache-2.0
"""Options of the compute service client. keystoneauth owns the credentials and connection options
of the group; cinder.compute registers them when it first needs them."""

from oslo_config import cfg

GROUP = 'nova'
OPTS = [
    cfg.StrOpt('region_name', sample_default='RegionOne',
               help='Region of the compute service. Not set: the first in the catalog.'),
    cfg.StrOpt('interface', default='public',
               choices=[(name, f'the {name} endpoint')
                        for name in ('public', 'admin', 'internal')],
               help='Endpoint of the compute service in the catalog.'),
]
