# SPDX-License-Identifier: Apache-2.0
"""Options of a back end that keeps volumes in an LVM volume group."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('volume_group', default='cinder-volumes',
               help='Volume group that holds the volumes.'),
    cfg.StrOpt('lvm_type', default='auto',
               choices=[('default', 'thick volumes'), ('thin', 'thin volumes in a pool'),
                        ('auto', 'thin where LVM can and the group is empty or has the pool '
                                 'already, else thick')],
               help='Kind of logical volumes.'),
    cfg.IntOpt('lvm_mirrors', default=0, min=0,
               help='Number of copies of each volume beside the first; the group needs as many '
                    'more physical volumes.'),
    cfg.StrOpt('lvm_conf_file', default='/etc/cinder/lvm.conf',
               help='LVM configuration file for the commands of this back end; "none", or a '
                    'file that does not exist, leaves the one of the system.'),
    cfg.FloatOpt('lvm_max_over_subscription_ratio', min=1.0, sample_default=20.0,
                 help='Capacity promised to thin volumes in LVM, as a multiple of what is there. '
                      'Not set: max_over_subscription_ratio.'),
    cfg.IntOpt('lvm_pool_soft_limit', default=80, min=1, max=100,
               help='Fill in percent, of the data or the metadata of the thin pool, from which '
                    'the log warns and the pool is extended if it may be.'),
    cfg.IntOpt('lvm_pool_hard_limit', default=95, min=1, max=100,
               help='Fill in percent, of the data or the metadata of the thin pool, from which '
                    'new volumes, snapshots and clones are refused.'),
    cfg.IntOpt('lvm_pool_autoextend', default=20, min=0, max=100,
               help='Percent of its size by which the data or the metadata of the thin pool '
                    'grow at the soft limit, while the group has room; 0: never.'),
    cfg.BoolOpt('lvm_suppress_fd_warnings', default=False,
                help='Keep LVM from warning about file descriptors left open.'),
]
