# SPDX-License-Identifier: Apache-2.0
"""The fixed key of installations without a key manager; other key-manager options belong
to the library that talks to it."""

from oslo_config import cfg

GROUP = 'key_manager'
OPTS = [
    cfg.StrOpt('fixed_key', secret=True,
               help='Encryption key, in hexadecimal, of installations without a key manager.'),
]
