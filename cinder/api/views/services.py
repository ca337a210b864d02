# SPDX-License-Identifier: Apache-2.0
"""Answers about services."""
from collections.abc import Callable

from cinder import objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.views.base import OMIT, Field, View


def state(_req: wsgi.Request, service: objects.Service) -> str:
    return 'up' if service['is_up'] else 'down'


def _of_volume(get: Callable) -> Callable:
    """Fields that only the services in front of a back end have."""
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
    # A service whose back end is not usable reports itself as down, so both are one.
    Field('backend_state', _of_volume(state), since=mv.BACKEND_STATE),
    # Clients are promised a text, also of a back end that never did anything of the kind.
    Field('replication_status',
          _of_volume(lambda _req, row: row['replication_status'] or 'disabled')),
    Field('active_backend_id', _of_volume(lambda _req, row: row['active_backend_id'])),
    Field('frozen', _of_volume(lambda _req, row: bool(row['frozen']))),
])
