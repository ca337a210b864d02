# SPDX-License-Identifier: Apache-2.0
"""Responses about operations."""
from collections.abc import Mapping

from cinder.api import wsgi
from cinder.api.schemas.base import nullable, one_of
from cinder.api.views import shapes
from cinder.api.views.base import Field, View, links
from cinder.policies import operations as policy

_STATE = one_of('queued', 'waiting', 'running', 'done', 'failed')
_PERCENT = {'type': ['integer', 'null'], 'minimum': 0, 'maximum': 100}


def _progress(_req: wsgi.Request, row: Mapping) -> int | None:
    """Return the percentage of the bytes; None: the operation copies none, or none yet."""
    if row['state'] == 'done':
        return 100
    total = row['progress_total']
    return min(100, (row['progress_done'] or 0) * 100 // total) if total else None


def _reason(_req: wsgi.Request, row: Mapping) -> str | None:
    """Return why it failed, or what it waits for."""
    return row['error'] or row['waits_for']


def _service(_req: wsgi.Request, row: Mapping) -> str | None:
    return (row['cluster'] or row['host']) if row['stage'] == 'execute' else 'scheduler'


VIEW = View('operation', 'operations', [
    Field('id', type=shapes.UUID),
    Field('verb', type=shapes.TEXT),
    Field('resource_type'),
    Field('resource_id', type=shapes.TEXT),
    Field('state', type=_STATE),
    Field('progress', _progress, type=_PERCENT),
    Field('queue_position', type=nullable(shapes.NUMBER)),
    Field('reason', _reason, type=nullable(shapes.TEXT)),
    Field('request_id'),
    Field('project_id', type=nullable(shapes.TEXT)),
    Field('user_id'),
    Field('created_at'),
    Field('updated_at'),
    Field('finished_at', type=nullable(shapes.TIME)),
    Field('links', links('operations')),
    Field('service', _service, type=nullable(shapes.TEXT), policy=policy.SEE_HOST),
    Field('attempt', type=shapes.NUMBER, policy=policy.SEE_HOST),
], 'operations_links')
