# SPDX-License-Identifier: Apache-2.0
"""Options of volume transfers."""

from oslo_config import cfg

OPTS = [
    cfg.IntOpt('volume_transfer_key_length', default=16, min=8, max=255,
               help='Number of characters of the key for accepting a volume transfer.'),
    cfg.IntOpt('volume_transfer_salt_length', default=8, min=1, max=255,
               help='Number of characters of the salt for storing the key.'),
]
