# SPDX-License-Identifier: Apache-2.0
"""Responses about services."""
from collections.abc import Callable

from cinder import objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.views.base import OMIT, Field, View


def state(_req: wsgi.Request, service: objects.Service) -> str:
    return 'up' if service['is_up'] else 'down'


def _of_volume(get: Callable) -> Callable:
    """Return the getter of a field that only volume services have."""
    def found(req: wsgi.Request, service: objects.Service) -> object:
        return get(req, service) if service['binary'] == 'cinder-volume' else OMIT
    return found


VIEW = View('service', 'services', [
    Field('binary'),
    Field('host'),
    Field('zone', 'availability_zone'),
    Field('status', lambda _req, row: 'disabled' if row['disabled'] else 'enabled'),
    Field('state', state),
    Field('updated_at'),
    Field('disabled_reason'),
    Field('cluster', 'cluster_name', since=mv.CLUSTERS),
    # A service whose back end is down reports itself as down, so both states are equal.
    Field('backend_state', _of_volume(state), since=mv.BACKEND_STATE),
    # Clients expect a string, also if the back end has never failed over.
    Field('replication_status',
          _of_volume(lambda _req, row: row['replication_status'] or 'disabled')),
    Field('active_backend_id', _of_volume(lambda _req, row: row['active_backend_id'])),
    Field('frozen', _of_volume(lambda _req, row: bool(row['frozen']))),
])
