# SPDX-License-Identifier: Apache-2.0
"""Options that decide which backup service gets a backup."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('backup_use_same_host', default=False,
                help='Let the backup service on the host of the volume make a backup, where one '
                     'is up there.'),
]
