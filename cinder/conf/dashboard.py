# SPDX-License-Identifier: Apache-2.0
"""Options of the page that shows the state of the service in a browser."""

from oslo_config import cfg

GROUP = 'dashboard'

OPTS = [
    cfg.BoolOpt('enabled', default=False,
                help='Serve a page at /dashboard of the API that shows services, pools, operations '
                     'and failures. It changes nothing. With Keystone it asks for a login, and '
                     'shows what the caller may see. The default of cinder-all is true.'),
    cfg.IntOpt('refresh_seconds', default=10, min=2, max=3600,
               help='Seconds after which an open page loads itself again.'),
    cfg.IntOpt('session_seconds', default=3600, min=60, max=86400,
               help='Seconds after which a login ends.'),
    cfg.StrOpt('session_key', secret=True,
               sample_default='AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
               help='Key of the cookies of a login: 32 bytes in URL-safe base64, as from "openssl '
                    'rand -base64 32 | tr +/ -_". All cinder-api behind one address need the same. '
                    'Not set: each cinder-api has a random one, so that a login ends with it.'),
]
