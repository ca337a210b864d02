# SPDX-License-Identifier: Apache-2.0
"""Responses about clusters."""
from collections.abc import Callable

from cinder import objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.api.views.base import Field, View


def _time(column: str) -> Callable:
    """Return the getter of a time; one that is not set is an empty string."""
    return lambda _req, row: row[column] or ''


def _status(_req: wsgi.Request, row: objects.Cluster) -> str:
    return 'disabled' if row['disabled'] else 'enabled'


def _state(_req: wsgi.Request, row: objects.Cluster) -> str:
    return 'up' if row['is_up'] else 'down'


FIELDS = [
    Field('name'),
    Field('binary'),
    Field('state', _state),
    Field('status', _status),
    Field('replication_status', since=mv.CLUSTER_REPLICATION),
]
_REASON = Field('disabled_reason')

SUMMARY = View('cluster', 'clusters', FIELDS)
CHANGED = View('cluster', 'clusters', [*FIELDS, _REASON])
DETAIL = View('cluster', 'clusters', [
    *FIELDS, _REASON,
    Field('num_hosts'),
    Field('num_down_hosts'),
    *(Field(name, _time(name), type=shapes.TIME_OR_EMPTY)
      for name in ('last_heartbeat', 'created_at', 'updated_at')),
    Field('frozen', since=mv.CLUSTER_REPLICATION),
    Field('active_backend_id', since=mv.CLUSTER_REPLICATION),
])
