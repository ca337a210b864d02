# SPDX-License-Identifier: Apache-2.0
"""Default quotas of a project; -1 is unlimited.
Limits set through the API are rows in the database and win over these."""

from oslo_config import cfg

OPTS = [
    cfg.IntOpt('quota_volumes', default=10, min=-1, mutable=True,
               help='Number of volumes a project may have; -1: any number.'),
    cfg.IntOpt('quota_snapshots', default=10, min=-1, mutable=True,
               help='Number of snapshots a project may have; -1: any number.'),
    cfg.IntOpt('quota_gigabytes', default=1000, min=-1, mutable=True,
               help='GiB of volumes and snapshots together a project may have; -1: any number.'),
    cfg.IntOpt('quota_backups', default=10, min=-1, mutable=True,
               help='Number of backups a project may have; -1: any number.'),
    cfg.IntOpt('quota_backup_gigabytes', default=1000, min=-1, mutable=True,
               help='GiB of backups a project may have; -1: any number.'),
    cfg.IntOpt('quota_groups', default=10, min=-1, mutable=True,
               help='Number of groups a project may have; -1: any number.'),
    cfg.IntOpt('per_volume_size_limit', default=-1, min=-1, mutable=True,
               help='Largest size of one volume in GiB; -1: any.'),
    cfg.BoolOpt('no_snapshot_gb_quota', default=False, mutable=True,
                help='Leave snapshots out of the GiB quotas.'),
    cfg.BoolOpt('use_default_quota_class', default=True,
                help='Let the quota class named "default" in the database win over the '
                     'quota options of this file.'),
]
