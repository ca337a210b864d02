# SPDX-License-Identifier: Apache-2.0
"""Handler of the capabilities of a back end, which its volume service reports."""
from typing import Any

from cinder import exception, host_names
from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.db import services as services_db
from cinder.policies import capabilities as policy
from cinder.rpc import volume as volume_rpc


@wsgi.response(200, shapes.record(
    'namespace', 'vendor_name', 'volume_backend_name', 'pool_name', 'driver_version',
    'storage_protocol', 'display_name', 'description', 'visibility', 'replication_targets',
    'properties'))
@wsgi.errors(502)
def show(req: wsgi.Request, host_name: str) -> dict[str, Any]:
    req.context.authorize(policy.SHOW)
    host = host_names.backend_of(host_name)
    services_db.get_by_host_binary(req.context, host, 'cinder-volume')
    try:
        return volume_rpc.VolumeAPI().get_capabilities(req.context, host)
    except (exception.ServiceUnavailable, exception.DriverNotInitialized):
        raise exception.BackendSilent(host=host) from None
