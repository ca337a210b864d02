# SPDX-License-Identifier: Apache-2.0
"""Responses about hosts, and about the resources of projects on a host."""
from cinder.api.schemas.base import nullable
from cinder.api.views import shapes
from cinder.api.views.base import Field, View

VIEW = View('host', 'hosts', [
    Field('host_name', 'host'),
    Field('service', 'binary'),
    Field('zone', 'availability_zone'),
    Field('service-status', lambda _req, row: 'available' if row['is_up'] else 'unavailable'),
    Field('service-state', lambda _req, row: 'disabled' if row['disabled'] else 'enabled'),
    Field('last-update', 'updated_at'),
])

_NUMBERS = ('volume_count', 'total_volume_gb', 'snapshot_count', 'total_snapshot_gb')
USAGE = shapes.wrap('host', shapes.items(shapes.wrap(
    'resource', shapes.record('host', *_NUMBERS, project=nullable(shapes.TEXT)))))


def render_resource(host: str, project: str | None, usage: tuple[int, int, int, int]) -> dict:
    """Return the resources of a project, or '(total)', on the host; numbers are strings."""
    return {'resource': {'host': host, 'project': project,
                         **dict(zip(_NUMBERS, map(str, usage), strict=True))}}
