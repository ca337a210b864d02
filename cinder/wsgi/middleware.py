# SPDX-License-Identifier: Apache-2.0
"""Defaults that the middleware of the API needs before it is loaded; operators may change them."""
from oslo_middleware import cors
from oslo_service import _options


def set_defaults() -> None:
    """Let browsers send and read the headers of this API, from the origins that [cors] allows."""
    cors.set_defaults(
        allow_headers=['X-Auth-Token', 'X-Identity-Status', 'X-Roles', 'X-Service-Catalog',
                       'X-User-Id', 'X-Tenant-Id', 'X-OpenStack-Request-ID', 'X-Trace-Info',
                       'X-Trace-HMAC', 'OpenStack-API-Version'],
        expose_headers=['X-Auth-Token', 'X-Subject-Token', 'X-Service-Token',
                        'X-OpenStack-Request-ID', 'OpenStack-API-Version'],
        allow_methods=['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'HEAD'])
    # oslo.service means to drop these with its WSGI server; here they stay, so that a warning
    # for each one that is set would only mislead.
    for option in (*_options.wsgi_opts, *_options.ssl_opts):
        option.deprecated_for_removal = False
