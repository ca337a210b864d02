# SPDX-License-Identifier: Apache-2.0
"""Where the compute service is found. Credentials and connection options of this group are
keystoneauth's, registered by cinder.compute when it first needs them."""

from oslo_config import cfg

GROUP = 'nova'
OPTS = [
    cfg.StrOpt('region_name', sample_default='RegionOne',
               help='Region whose compute service is asked. Not set: the first in the catalog.'),
    cfg.StrOpt('interface', default='public',
               choices=[(name, f'the {name} endpoint')
                        for name in ('public', 'admin', 'internal')],
               help='Endpoint of the compute service, in the catalog, that is asked.'),
]
