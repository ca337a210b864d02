# SPDX-License-Identifier: Apache-2.0
"""Handlers of operations: the accepted work of a project, and its cancellation. An extension of the
API, in every microversion."""
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.views import operations as view
from cinder.db import operation_rows
from cinder.db import volumes as volumes_db
from cinder.policies import operations as policy
from cinder.volume.api import operations

LIST = listings.Listing(
    'operation', sorts=('id', 'created_at', 'updated_at', 'finished_at', 'verb', 'resource_type',
                        'resource_id'),
    filters={'state': listings.Filter(converters.one_of(operation_rows.STATES)), **{
        name: listings.Filter() for name in (
        'verb', 'resource_type', 'resource_id', 'request_id', 'created_at', 'finished_at')},
        'project_id': listings.Filter(), 'host': listings.Filter(), 'cluster': listings.Filter()},
    strict_since=mv.MAX + 1)
# Verbs of requests that only administrators may send.
_ADMINISTRATIVE = frozenset(('volume.migrate', 'volume.manage', 'snapshot.manage', 'backup.import'))
_FOR_OPERATORS = frozenset(('host', 'cluster', 'project_id'))


@wsgi.listing(LIST)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    known = {*LIST.filters, *LIST.flags}
    if not req.context.can(policy.SEE_HOST):
        known -= _FOR_OPERATORS
    unknown = sorted(set(req.query) - known)
    if unknown:
        raise listings.unsupported(unknown[0], known)
    return view.VIEW.page(req, LIST.fetch(req, operation_rows.list_rows))


@wsgi.response(200, view.VIEW.one)
def show(req: wsgi.Request, operation_id: str) -> dict[str, Any]:
    row = operation_rows.get_row(req.context, operation_id)
    req.context.authorize(policy.GET, row)
    return view.VIEW.one(req, row)


@wsgi.response(202)
@wsgi.errors(409)
def cancel(req: wsgi.Request, operation_id: str) -> None:
    row = operation_rows.get_row(req.context, operation_id)
    req.context.authorize(policy.CANCEL, row)
    if _is_administrative(req, row):
        req.context.authorize(policy.CANCEL_ADMINISTRATIVE, row)
    operations.cancel(req.context, operation_id)


def _is_administrative(req: wsgi.Request, row: Mapping[str, Any]) -> bool:
    """Return whether an administrator has started the operation, or a migration on its target."""
    if row['verb'] in _ADMINISTRATIVE:
        return True
    if row['resource_type'] != 'volume':
        return False
    try:
        volume = volumes_db.get(req.context.elevated(), row['resource_id'])
    except exception.VolumeNotFound:
        return False
    return (volume.migration_status or '').startswith('target:')
