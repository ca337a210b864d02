# SPDX-License-Identifier: Apache-2.0
"""Options of the locks between processes and hosts."""

from oslo_config import cfg

GROUP = 'coordination'
OPTS = [
    cfg.StrOpt('backend_url', default='file://$state_path', secret=True,
               help='URL of the tooz back end for locks: file:// for a single host, etcd3+http:// '
                    'or redis:// for several hosts.'),
]
