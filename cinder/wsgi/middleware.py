# SPDX-License-Identifier: Apache-2.0
"""Sets defaults of the middleware of the API before it is loaded; operators may override them."""
from cinder import lazy_import

# oslo.middleware needs it only for the page of a detailed /healthcheck; it takes 4 MB.
lazy_import.load_when_used('jinja2')

from oslo_middleware import cors  # noqa: E402

from cinder.conf import CONF, server  # noqa: E402


def set_defaults() -> None:
    """Allow browsers to send and read the headers of this API, from the origins in [cors]."""
    cors.set_defaults(
        allow_headers=['X-Auth-Token', 'X-Identity-Status', 'X-Roles', 'X-Service-Catalog',
                       'X-User-Id', 'X-Tenant-Id', 'X-OpenStack-Request-ID', 'X-Trace-Info',
                       'X-Trace-HMAC', 'OpenStack-API-Version', 'Prefer', 'Idempotency-Key'],
        expose_headers=['X-Auth-Token', 'X-Subject-Token', 'X-Service-Token',
                        'X-OpenStack-Request-ID', 'OpenStack-API-Version',
                        'Preference-Applied', 'Idempotent-Replayed'],
        allow_methods=['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'HEAD'])
    server.register(CONF)
