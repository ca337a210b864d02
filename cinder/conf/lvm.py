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
               help='Copies of each volume beside the first; the group needs as many more '
                    'physical volumes.'),
    cfg.StrOpt('lvm_conf_file', default='/etc/cinder/lvm.conf',
               help='LVM configuration file for the commands of this back end; "none", or a '
                    'file that does not exist, leaves the one of the system.'),
    cfg.BoolOpt('lvm_suppress_fd_warnings', default=False,
                help='Keep LVM from warning about file descriptors left open.'),
]
