# SPDX-License-Identifier: Apache-2.0
"""Options of backup stores that are directories: posix and NFS."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('backup_posix_path', default='$state_path/backup',
               help='Directory in which backups are stored.'),
    cfg.StrOpt('backup_container', sample_default='backups',
               help='Directory below backup_posix_path or the share, for backups whose users name '
                    'no container. Not set: a directory for each backup.'),
    cfg.BoolOpt('backup_enable_progress_timer', default=True,
                help='Send notifications of the progress of a backup every backup_timer_interval '
                     'seconds.'),
    cfg.IntOpt('backup_file_size', default=1999994880, min=512,
               help='Maximum bytes of a volume that are stored in one file, a multiple of '
                    'backup_sha_block_size_bytes.'),
    cfg.IntOpt('backup_sha_block_size_bytes', default=32768, min=512, max=2**26,
               help='Bytes of a volume that are compared at once to find what changed since the '
                    'last backup.'),
]
