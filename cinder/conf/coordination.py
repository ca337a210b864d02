# SPDX-License-Identifier: Apache-2.0
"""Where locks between processes and hosts are kept."""

from oslo_config import cfg

GROUP = 'coordination'
OPTS = [
    cfg.StrOpt('backend_url', default='file://$state_path', secret=True,
               help='URL of the tooz back end that holds the locks: files for a single host, '
                    'etcd3+http://... or redis://... for several.'),
]
