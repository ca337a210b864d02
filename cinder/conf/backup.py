# SPDX-License-Identifier: Apache-2.0
"""Options of backups that do not depend on the store."""

from oslo_config import cfg

# The driver of cinder-all, where the operator names none: its host has what it needs.
EMBEDDED_DRIVER = 'cinder.backup.drivers.posix.PosixBackupDriver'
# Values of backup_compression_algorithm that mean the same.
UNCOMPRESSED = ('none', 'off', 'no')

OPTS = [
    cfg.StrOpt('backup_driver', default='cinder.backup.drivers.swift.SwiftBackupDriver',
               help='Driver of the store for backups, as MODULE.CLASS.'),
    cfg.StrOpt('backup_compression_algorithm', default='zstd', ignore_case=True,
               choices=[(UNCOMPRESSED[0], 'not at all'),
                        *((name, 'the same') for name in UNCOMPRESSED[1:]),
                        ('zlib', 'as gzip does'), ('gzip', 'the same'),
                        ('bz2', 'as bzip2 does'), ('bzip2', 'the same'),
                        ('zstd', 'fast, and smaller than zlib')],
               help='How the objects of new backups are compressed. Objects that were compressed '
                    'in another way are restored as well.'),
    cfg.BoolOpt('backup_use_same_host', default=False,
                help='Create a backup with the backup service on the host of the volume, if that '
                     'service is up.'),
]
