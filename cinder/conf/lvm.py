# SPDX-License-Identifier: Apache-2.0
"""Options of a back end that stores volumes in an LVM volume group."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('volume_group', default='cinder-volumes',
               help='Volume group that holds the volumes.'),
    cfg.StrOpt('lvm_type', default='auto',
               choices=[('default', 'thick volumes'), ('thin', 'thin volumes in a pool'),
                        ('auto', 'thin if LVM supports it and the group is empty or has the pool, '
                                 'otherwise thick')],
               help='Type of the logical volumes.'),
    cfg.IntOpt('lvm_mirrors', default=0, min=0,
               help='Number of mirrors of each volume; the group needs at least one more physical '
                    'volume than mirrors.'),
    cfg.StrOpt('lvm_conf_file', default='/etc/cinder/lvm.conf',
               help='LVM configuration file for the commands of this back end; if it is "none" or '
                    'does not exist, the configuration of the system is used.'),
    cfg.FloatOpt('lvm_max_over_subscription_ratio', min=1.0, sample_default=20.0,
                 help='Provisioned capacity of thin volumes in LVM, as a multiple of the physical '
                      'one. Not set: max_over_subscription_ratio.'),
    cfg.IntOpt('lvm_pool_soft_limit', default=80, min=1, max=100,
               help='Usage in percent, of the data or the metadata of the thin pool, above which a '
                    'warning is logged and the pool is extended if lvm_pool_autoextend allows it.'),
    cfg.IntOpt('lvm_pool_hard_limit', default=95, min=1, max=100,
               help='Usage in percent, of the data or the metadata of the thin pool, above which '
                    'new volumes, snapshots and clones are refused.'),
    cfg.IntOpt('lvm_pool_autoextend', default=20, min=0, max=100,
               help='Percent of its size by which the data or the metadata of the thin pool is '
                    'extended at the soft limit, if the group has free space; 0: never.'),
    cfg.BoolOpt('lvm_suppress_fd_warnings', default=False,
                help='Suppress the warnings of LVM about open file descriptors.'),
]
