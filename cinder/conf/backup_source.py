# SPDX-License-Identifier: Apache-2.0
"""Options of what backups read."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('backup_keep_base_snapshot', default=False,
                help='Keep the snapshot that the last backup of a volume was read from, so that '
                     'the next incremental backup reads only what has changed since, if the '
                     'storage can tell: thin logical volumes, and files that share blocks. The '
                     'snapshot counts for the quotas of the project; it is deleted when the next '
                     'backup keeps its own, and with the backup or the volume.'),
    cfg.BoolOpt('backup_use_temp_snapshot', default=True,
                help='Read backups of volumes from temporary snapshots. It is always done, because '
                     'snapshots need no copy; a copy of the volume, which the value false stands '
                     'for, is never made.'),
]
