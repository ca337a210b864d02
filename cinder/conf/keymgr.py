# SPDX-License-Identifier: Apache-2.0
"""Options of the encryption keys. castellan owns the other options of the group; they are
registered when the first key is needed. [key_manager]/backend selects the key manager."""

from oslo_config import cfg

GROUP = 'key_manager'
# The key manager of the fixed key, used unless `backend` names another one, and the id of that key.
FIXED_BACKEND = 'cinder.keymgr.conf_key_mgr.ConfKeyManager'
FIXED_KEY_ID = '00000000-0000-0000-0000-000000000000'
OPTS = [
    cfg.StrOpt('fixed_key', secret=True, sample_default='0123456789abcdef' * 4,
               help='Key for all encrypted volumes, as hexadecimal digits; for tests only. With '
                    'another backend, volumes that still have this key get a key there. Not set: '
                    'without another backend, volumes cannot be encrypted.'),
    cfg.FloatOpt('call_timeout', default=30.0, min=0.01, mutable=True,
                 help='Seconds within which the key manager must have done what it is asked for, '
                      'with all requests and retries that belong to it. Then it counts as '
                      'unavailable, and only one call in 5 seconds is sent to it until it answers '
                      'again. For a single HTTP request, a lower timeout of section [barbican] or '
                      '[vault] is honoured too.'),
]
