# SPDX-License-Identifier: Apache-2.0
"""Whether calls to other services carry a token of this service beside the caller's. The other
options of the group, who this service is, are keystoneauth's, registered at the first such call."""

from oslo_config import cfg

GROUP = 'service_user'
OPTS = [
    cfg.BoolOpt('send_service_user_token', default=False,
                help='Send a token of the user that this section describes along with the '
                     "caller's when other services are asked, so that they accept the caller's "
                     'token also when it has ended meanwhile.'),
]
