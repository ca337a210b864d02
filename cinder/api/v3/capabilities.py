# SPDX-License-Identifier: Apache-2.0
"""What a back end can do, asked of its volume service."""
from typing import Any

from cinder import exception, utils
from cinder.api import wsgi
from cinder.db import services as services_db
from cinder.policies import capabilities as policy
from cinder.rpc import volume as volume_rpc


def show(req: wsgi.Request, host_name: str) -> dict[str, Any]:
    req.context.authorize(policy.SHOW)
    host = utils.backend_of(host_name)
    services_db.get_by_host_binary(req.context, host, 'cinder-volume')
    try:
        return volume_rpc.VolumeAPI().get_capabilities(req.context, host)
    except (exception.ServiceUnavailable, exception.DriverNotInitialized):
        raise exception.BackendSilent(host=host) from None
