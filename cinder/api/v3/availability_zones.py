# SPDX-License-Identifier: Apache-2.0
"""Handler of the availability zones."""
from typing import Any

from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.volume.api import zones


@wsgi.response(200, shapes.wrap('availabilityZoneInfo', shapes.items(
    shapes.record(zoneName=shapes.TEXT, zoneState=shapes.record(available=shapes.BOOLEAN)))))
def index(_req: wsgi.Request) -> dict[str, Any]:
    return {'availabilityZoneInfo': [
        {'zoneName': name, 'zoneState': {'available': available}}
        for name, available in sorted(zones.names().items())]}
