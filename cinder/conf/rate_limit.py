# SPDX-License-Identifier: Apache-2.0
"""How fast the API takes requests. The workers of a cinder-api count together; what a deployment
takes is these numbers times its cinder-api services."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('api_rate_limit', default=True,
                help='Keep to the rates of the options api_project_rate and api_address_rate; '
                     'without a rate there nothing is limited.'),
    cfg.FloatOpt('api_project_rate', default=0.0, min=0,
                 help='Requests per second that one cinder-api takes from one project, in the '
                      'long run; 0: any number. Callers beyond it are answered 429.'),
    cfg.IntOpt('api_project_burst', default=100, min=1,
               help='Number of requests that a project may send at once after it was quiet.'),
    cfg.FloatOpt('api_address_rate', default=0.0, min=0,
                 help='Requests without a valid token per second that one cinder-api takes from '
                      'one address (IPv6: from one /64 network), in the long run; 0: any number. '
                      'Behind a proxy it needs enable_proxy_headers_parsing in '
                      '[oslo_middleware], else all clients have the address of the proxy.'),
    cfg.IntOpt('api_address_burst', default=20, min=1,
               help='Number of requests without a valid token that an address may send at once.'),
]
