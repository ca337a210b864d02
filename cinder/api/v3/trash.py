# SPDX-License-Identifier: Apache-2.0
"""Handlers of the trash: its list, the return of volumes and snapshots from it, and their removal
for ever. An extension of the API, in every microversion."""
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import trash as schema
from cinder.api.views import snapshots as snapshot_view
from cinder.api.views import trash as view
from cinder.api.views import volumes as volume_view
from cinder.db import trash as trash_db
from cinder.policies import trash as policy
from cinder.volume.api import trash

LIST = listings.Listing(
    'trash', sorts={'deleted_at': 'created_at', 'name': 'display_name', **{name: name for name in (
        'id', 'created_at', 'purge_at', 'size', 'resource_type')}},
    filters={**{name: listings.Filter() for name in (
        'volume_id', 'project_id')},
        'resource_type': listings.Filter(converters.one_of(trash_db.KINDS)),
        'status': listings.Filter(converters.one_of(trash_db.STATUSES)),
        'name': listings.Filter(column='display_name'),
        'consumes_quota': listings.Filter(converters.boolean, column='counted')},
    strict_since=mv.MAX + 1)


@wsgi.listing(LIST)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    known = {*LIST.filters, *LIST.flags}
    for name in sorted(set(req.query) - known):
        raise listings.unsupported(name, known)
    return view.VIEW.page(req, LIST.fetch(req, trash.list_restorable))


@wsgi.response(202)
@wsgi.errors(409)
def purge(req: wsgi.Request, resource_id: str) -> None:
    req.context.authorize(policy.PURGE, trash_db.get_row(req.context, resource_id))
    trash.purge(req.context, resource_id)


@wsgi.body(schema.RESTORE, optional=True)
@wsgi.response(202, volume_view.CHANGED.one)
@wsgi.errors(409, 413)
def restore_volume(req: wsgi.Request, volume_id: str,
                   body: dict[str, Any]) -> dict[str, Any]:
    row = trash.find_deleted(req.context, volume_id, 'volume')
    req.context.authorize(policy.RESTORE_VOLUME, row)
    trash.require_deleted(row, 'volume')
    return volume_view.render_changed(req, trash.restore_volume(req.context, volume_id))


@wsgi.body(schema.RESTORE, optional=True)
@wsgi.response(202, snapshot_view.CHANGED.one)
@wsgi.errors(409, 413)
def restore_snapshot(req: wsgi.Request, snapshot_id: str,
                     body: dict[str, Any]) -> dict[str, Any]:
    row = trash.find_deleted(req.context, snapshot_id, 'snapshot')
    req.context.authorize(policy.RESTORE_SNAPSHOT, row)
    trash.require_deleted(row, 'snapshot')
    return snapshot_view.CHANGED.one(req, trash.restore_snapshot(req.context, snapshot_id))


def purge_by_force(req: wsgi.Request, ident: str, kind: str, rule: str) -> bool:
    """Remove a deleted resource from the trash for a caller who may delete by force; return whether
    it was there."""
    try:
        row = trash_db.get_row(req.context, ident)
    except exception.NotInTrash:
        return False
    if row['resource_type'] != kind:
        return False
    req.context.authorize(rule, row)
    trash.purge(req.context, ident)
    return True
