# SPDX-License-Identifier: Apache-2.0
"""Handlers of /snapshots."""
from typing import Any

from cinder import exception, objects
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base as schema_base
from cinder.api.schemas import snapshots as schema
from cinder.api.views import snapshots as view
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import snapshots as policy
from cinder.policies import volumes as volume_policy
from cinder.volume.api import snapshots

_FILTERS = {
    'name': listings.Filter(column='display_name'),
    'status': listings.Filter(),
    'volume_id': listings.Filter(),
    'metadata': listings.Filter(since=mv.SNAPSHOT_METADATA_FILTER),
    'availability_zone': listings.Filter(since=mv.CONFIGURED_FILTERS),
    'consumes_quota': listings.Filter(converters.boolean, since=mv.CONSUMES_QUOTA,
                                      column='use_quota'),
}
_SORTS = {name: name for name in (
    'id', 'status', 'volume_id', 'volume_size', 'created_at', 'updated_at', 'display_name',
    'display_description', 'progress', 'project_id', 'user_id', 'volume_type_id')}
LIST = listings.Listing('snapshot', _SORTS | {'name': 'display_name'}, _FILTERS, counts=True)
_LEGACY_LIST = listings.Listing('snapshot', _SORTS, _FILTERS)
_LISTS = [(mv.BASE, _LEGACY_LIST), (mv.SNAPSHOT_NAME_SORT, LIST)]


def _page(req: wsgi.Request, answer: view.View) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    listing = listings.listing_at(_LISTS, req.api_version)
    return answer.page(req, listing.fetch(req, snapshots_db.list_rows))


@wsgi.listing(_LISTS)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY)


@wsgi.listing(_LISTS)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL)


@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, snapshot_id: str) -> dict[str, Any]:
    row = snapshots_db.get_row(req.context, snapshot_id)
    req.context.authorize(policy.GET, row)
    return view.DETAIL.one(req, row)


@wsgi.body(schema.CREATE, key='snapshot')
@wsgi.response(202, view.CHANGED.one)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    force = schema_base.boolean(body.get('force', False))
    in_use_ok = req.api_version >= mv.SNAPSHOT_IN_USE
    if in_use_ok and 'force' in body and not force:
        raise exception.InvalidInput(
            reason=_('force can no longer be false: volumes in use need no force'))
    volume = volumes_db.get(ctxt, schema_base.normalize_uuid(body['volume_id']))
    ctxt.authorize(volume_policy.GET, volume)
    ctxt.authorize(policy.CREATE, volume)
    snapshot = snapshots.create(
        ctxt, volume, name=body['name'] if 'name' in body else body.get('display_name'),
        description=body.get('description'), metadata=body.get('metadata'), force=force,
        in_use_ok=in_use_ok)
    return view.CHANGED.one(req, snapshot)


@wsgi.body(schema.UPDATE, key='snapshot')
@wsgi.response(200, view.CHANGED.one)
def update(req: wsgi.Request, snapshot_id: str, body: dict[str, Any]) -> dict[str, Any]:
    snapshot = load(req, snapshot_id, policy.UPDATE)
    # Both spellings of a key are accepted; the one without display_ takes precedence.
    values = {key: body[key] for key in ('display_name', 'display_description') if key in body}
    values |= {f'display_{key}': body[key] for key in ('name', 'description') if key in body}
    return view.CHANGED.one(req, snapshots.update(req.context, snapshot, values))


@wsgi.response(202)
def delete(req: wsgi.Request, snapshot_id: str) -> None:
    snapshots.delete(req.context, load(req, snapshot_id, policy.DELETE))


def load(req: wsgi.Request, snapshot_id: str, rule: str) -> objects.Snapshot:
    """Load a snapshot and check that the caller passes `rule` for it."""
    snapshot = snapshots_db.get(req.context, snapshot_id)
    req.context.authorize(rule, snapshot)
    return snapshot
