# SPDX-License-Identifier: Apache-2.0
"""Options for selecting the backup service of a backup."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('backup_use_same_host', default=False,
                help='Create a backup with the backup service on the host of the volume, if that '
                     'service is up.'),
]
