# SPDX-License-Identifier: Apache-2.0
"""Options of the rate limits of the API. The workers of one cinder-api share the limits; the rate
of a deployment is the limit multiplied by the number of cinder-api services."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('api_rate_limit', default=True,
                help='Enforce the options api_project_rate and api_address_rate; if both are 0, '
                     'nothing is limited.'),
    cfg.FloatOpt('api_project_rate', default=0.0, min=0,
                 help='Requests per second that one cinder-api accepts from one project on '
                      'average; 0: unlimited. Requests above the rate get status 429.'),
    cfg.IntOpt('api_project_burst', default=100, min=1,
               help='Number of requests that a project may send at once after an idle period.'),
    cfg.FloatOpt('api_address_rate', default=0.0, min=0,
                 help='Requests without a valid token per second that one cinder-api accepts from '
                      'one address (IPv6: one /64 network) on average; 0: unlimited. Behind a '
                      'proxy it needs enable_proxy_headers_parsing in [oslo_middleware], otherwise '
                      'all clients have the address of the proxy.'),
    cfg.IntOpt('api_address_burst', default=20, min=1,
               help='Number of requests without a valid token that an address may send at once.'),
]
