# SPDX-License-Identifier: Apache-2.0
"""Default quotas of a project; -1 is unlimited.
Limits set through the API are rows in the database and override these options."""

from oslo_config import cfg

OPTS = [
    cfg.IntOpt('quota_volumes', default=10, min=-1, mutable=True,
               help='Number of volumes of a project; -1: unlimited.'),
    cfg.IntOpt('quota_snapshots', default=10, min=-1, mutable=True,
               help='Number of snapshots of a project; -1: unlimited.'),
    cfg.IntOpt('quota_gigabytes', default=1000, min=-1, mutable=True,
               help='GiB of volumes and snapshots of a project together; -1: unlimited.'),
    cfg.IntOpt('quota_backups', default=10, min=-1, mutable=True,
               help='Number of backups of a project; -1: unlimited.'),
    cfg.IntOpt('quota_backup_gigabytes', default=1000, min=-1, mutable=True,
               help='GiB of backups of a project; -1: unlimited.'),
    cfg.IntOpt('quota_groups', default=10, min=-1, mutable=True,
               help='Number of groups of a project; -1: unlimited.'),
    cfg.IntOpt('per_volume_size_limit', default=-1, min=-1, mutable=True,
               help='Maximum size of a volume in GiB; -1: unlimited.'),
    cfg.BoolOpt('no_snapshot_gb_quota', default=False, mutable=True,
                help='Do not count snapshots in the quotas of GiB.'),
    cfg.BoolOpt('use_default_quota_class', default=True,
                help='Let the quota class "default" in the database override the quota options of '
                     'this file.'),
]
