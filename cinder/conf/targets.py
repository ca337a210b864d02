# SPDX-License-Identifier: Apache-2.0
"""Options of the exports of a back end: the helper that makes them, addresses and CHAP."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

OPTS = [
    cfg.StrOpt('target_helper', default='tgtadm',
               choices=[('tgtadm', 'tgt, in user space'), ('lioadm', 'LIO, in the kernel'),
                        ('nvmet', 'NVMe target, in the kernel'),
                        ('local', 'no export: a path on this host'),
                        ('fake', 'no export, for tests')],
               help='Program that exports the volumes of this back end.'),
    cfg.StrOpt('target_export', default='attached',
               choices=[('attached', 'while it is attached'),
                        ('always', 'from its creation until its deletion')],
               help='When a volume of this back end is exported. In both cases only hosts with an '
                    'attachment can connect.'),
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
               help='Number of the version of the connection information of nvmet; 2 has all '
                    'addresses.'),
    cfg.PortOpt('nvmet_port_id', default=1,
                help='Number of the nvmet port for target_ip_address; further addresses have the '
                     'numbers that follow.'),
    cfg.IntOpt('nvmet_ns_id', default=10, min=1,
               help='Number of the nvmet namespace of each volume.'),
    cfg.StrOpt('target_prefix', default='iqn.2010-10.org.openstack:',
               help='Prefix of the name of each target, before the name of the volume. For nvmet, '
                    'iqn at its start is replaced by nqn.'),
    cfg.StrOpt('iscsi_write_cache', default='on',
               choices=[('on', 'enabled'), ('off', 'disabled')],
               help='Write cache of the exported unit (tgtadm; lioadm for files).'),
    cfg.StrOpt('target_live_sessions', default='fence',
               choices=[('fence', 'its session is ended, and logged'),
                        ('refuse', 'the request fails until the host disconnects')],
               help='What happens on detach while the host is still connected; a forced detach '
                    'always ends the session.'),
    cfg.StrOpt('iscsi_target_flags', default='',
               help='Flags that are passed to the target unchanged (tgtadm: bsoflags).'),
    cfg.StrOpt('volumes_dir', default='$state_path/volumes',
               help='Folder with the files of tgt that the original Cinder wrote. This service '
                    'writes none; it reports files there (tgtadm).'),
    cfg.BoolOpt('use_chap_auth', default=False,
                help='Require a CHAP name and secret from initiators.'),
    cfg.StrOpt('chap_username', default='',
               help='CHAP name of all volumes. Empty: a random one for each volume.'),
    cfg.StrOpt('chap_password', default='', secret=True,
               help='CHAP secret of all volumes. Empty: a random one for each volume.'),
]
