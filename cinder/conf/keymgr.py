# SPDX-License-Identifier: Apache-2.0
"""Where encryption keys are kept. The other options of the group are castellan's, registered
when a key is first needed: [key_manager]/backend chooses the key manager."""

from oslo_config import cfg

GROUP = 'key_manager'
# The manager of the one fixed key, which is used unless `backend` names another, and that key.
FIXED_BACKEND = 'cinder.keymgr.conf_key_mgr.ConfKeyManager'
FIXED_KEY_ID = '00000000-0000-0000-0000-000000000000'
OPTS = [
    cfg.StrOpt('fixed_key', secret=True, sample_default='0123456789abcdef' * 4,
               help='One key for all encrypted volumes, as hexadecimal digits; for trials. '
                    'With another backend set, volumes that still have this key get one there. '
                    'Not set: without another backend, no volume can be encrypted.'),
]
