# SPDX-License-Identifier: Apache-2.0
"""Options of the service token that is sent to other services in addition to the token of the
caller. keystoneauth owns the other options of the group; they are registered at the first such
request."""

from oslo_config import cfg

GROUP = 'service_user'
OPTS = [
    cfg.BoolOpt('send_service_user_token', default=False,
                help='Send a token of the user in this section to other services in addition to '
                     'the token of the caller, so that they accept the token of the caller also '
                     'after it has expired.'),
]
