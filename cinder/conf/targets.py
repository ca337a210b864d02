# SPDX-License-Identifier: Apache-2.0
"""Options of the exports of a back end: the helper that makes them, addresses and CHAP."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

OPTS = [
    cfg.StrOpt('target_helper', default='tgtadm',
               choices=[('tgtadm', 'tgt, in user space'), ('lioadm', 'LIO of the kernel'),
                        ('nvmet', 'NVMe target of the kernel'),
                        ('local', 'no export: a path on this host'),
                        ('fake', 'none, for tests')],
               help='What exports the volumes of this back end.'),
    cfg.StrOpt('target_export', default='attached',
               choices=[('attached', 'while it is attached'),
                        ('always', 'from soon after it was made until it is deleted')],
               help='When a volume of this back end is exported. It lets in only who has it '
                    'attached, either way.'),
    cfg.StrOpt('target_ip_address', default='$my_ip',
               help='Address on which volumes are exported.'),
    NamesOpt('target_secondary_ip_addresses', default=[],
             deprecated_name='iscsi_secondary_ip_addresses',
             help='Further addresses of the same exports, for multipath.'),
    cfg.PortOpt('target_port', default=3260,
                help='Port on which volumes are exported.'),
    cfg.StrOpt('target_protocol', default='iscsi',
               choices=[('iscsi', 'every target_helper but nvmet'),
                        ('nvmet_tcp', 'nvmet over TCP'), ('nvmet_rdma', 'nvmet over RDMA')],
               help='Protocol of the exports.'),
    cfg.IntOpt('nvmeof_conn_info_version', default=1, min=1, max=2,
               help='Number of the form of the connection information of nvmet; 2 has all '
                    'addresses.'),
    cfg.PortOpt('nvmet_port_id', default=1,
                help='Number of the port of nvmet for target_ip_address; further addresses have '
                     'the numbers that follow.'),
    cfg.IntOpt('nvmet_ns_id', default=10, min=1,
               help='Number of the namespace of each volume (nvmet).'),
    cfg.StrOpt('target_prefix', default='iqn.2010-10.org.openstack:',
               help='Start of the name of each target; the name of the volume follows. For nvmet '
                    'iqn at its start becomes nqn.'),
    cfg.StrOpt('iscsi_write_cache', default='on',
               choices=[('on', 'it has one'), ('off', 'it has none')],
               help='Whether the exported unit has a write cache (tgtadm; lioadm for files).'),
    cfg.StrOpt('target_live_sessions', default='fence',
               choices=[('fence', 'its session is ended, and logged'),
                        ('refuse', 'the detachment fails until the host disconnects')],
               help='What a detachment does while the host is still connected; a forced one '
                    'always ends the session.'),
    cfg.StrOpt('iscsi_target_flags', default='',
               help='Flags handed to the target as they are (tgtadm: bsoflags).'),
    cfg.BoolOpt('use_chap_auth', default=False,
                help='Ask initiators for a CHAP name and secret.'),
    cfg.StrOpt('chap_username', default='',
               help='CHAP name of all volumes; one is made up for each when empty.'),
    cfg.StrOpt('chap_password', default='', secret=True,
               help='CHAP secret of all volumes; one is made up for each when empty.'),
]
