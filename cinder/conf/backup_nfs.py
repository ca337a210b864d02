# SPDX-License-Identifier: Apache-2.0
"""Options of the backup driver that stores files on an NFS share, which it mounts itself."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('backup_share', sample_default='nfs.example.com:/backups',
               help='Share for backups, as host:/path; an IPv6 address is written in brackets. '
                    'Not set: there is none, and the NFS driver does not start.'),
    cfg.StrOpt('backup_mount_point_base', default='$state_path/backup_mount',
               help='Directory below which the share is mounted.'),
    cfg.StrOpt('backup_mount_options', sample_default='vers=4.2,timeo=600',
               help='Options of the mount, separated by commas. Not set: those of the system.'),
    cfg.IntOpt('backup_mount_attempts', default=3, min=1,
               help='Number of attempts to mount the share.'),
]
