# SPDX-License-Identifier: Apache-2.0
"""Options of backups that do not depend on the store."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('backup_driver', default='cinder.backup.drivers.swift.SwiftBackupDriver',
               help='Driver of the store for backups, as MODULE.CLASS.'),
    cfg.BoolOpt('backup_use_same_host', default=False,
                help='Create a backup with the backup service on the host of the volume, if that '
                     'service is up.'),
]
