# SPDX-License-Identifier: Apache-2.0
"""Handlers of /group_snapshots, and of /cgsnapshots for those of consistency groups."""
from typing import Any

from cinder import exception, objects
from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import group_snapshots as schema
from cinder.api.v3 import groups
from cinder.api.views import group_snapshots as view
from cinder.db import group_snapshots as group_snapshots_db
from cinder.i18n import _
from cinder.policies import group_snapshots as policy
from cinder.policies import groups as group_policy
from cinder.volume.api import group_snapshots

_SORTS = ('id', 'name', 'description', 'status', 'group_id', 'group_type_id', 'project_id',
          'user_id', 'created_at', 'updated_at')
LIST = listings.Listing('group_snapshot', _SORTS, {
    name: listings.Filter() for name in ('name', 'status', 'group_id')},
    paged_since=mv.GROUP_SNAPSHOT_PAGINATION)
LEGACY_LIST = listings.Listing('cgsnapshot', _SORTS, {}, strict_since=mv.MAX + 1)


def _load(req: wsgi.Request, ident: str, rule: str, legacy: bool = False) -> objects.GroupSnapshot:
    """Load a group snapshot, see groups.load()."""
    found = group_snapshots_db.get(req.context, ident)
    req.context.authorize(rule, found)
    if found.group.is_consistency_group and not legacy:
        raise exception.InvalidGroupSnapshot(
            reason=_('%s belongs to a consistency group; use /cgsnapshots') % ident)
    if legacy and not found.group.is_consistency_group:
        raise exception.GroupSnapshotNotFound(group_snapshot_id=ident)
    return found


def _page(req: wsgi.Request, answer: view.View) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return answer.page(req, LIST.fetch(req, group_snapshots_db.list_rows))


def _create(req: wsgi.Request, body: dict[str, Any], group_id: str,
            legacy: bool = False) -> objects.GroupSnapshot:
    group = groups.load(req, group_id, group_policy.GET, legacy)
    req.context.authorize(policy.CREATE, group)
    return group_snapshots.create(req.context, group, name=body.get('name'),
                                  description=body.get('description'))


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.listing(LIST)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY)


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.listing(LIST)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL)


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, group_snapshot_id: str) -> dict[str, Any]:
    return view.DETAIL.one(req, _load(req, group_snapshot_id, policy.GET))


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.body(schema.CREATE, key='group_snapshot')
@wsgi.response(202, view.CREATED.one)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    return view.CREATED.one(req, _create(req, body, body['group_id']))


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.response(202)
def delete(req: wsgi.Request, group_snapshot_id: str) -> None:
    group_snapshots.delete(req.context, _load(req, group_snapshot_id, policy.DELETE))


@wsgi.versions(mv.GROUP_SNAPSHOT_RESET)
@wsgi.body(schema.RESET_STATUS, key='reset_status')
@wsgi.response(202)
def reset_status(req: wsgi.Request, group_snapshot_id: str, body: dict[str, Any]) -> None:
    found = _load(req, group_snapshot_id, policy.RESET_STATUS)
    group_snapshots.reset_status(req.context, found, body['status'].lower())


ACTIONS = {'reset_status': reset_status}


# --------------------------------------------------------------------------------- cgsnapshots
def _legacy_page(req: wsgi.Request, answer: view.View) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return answer.page(req, LEGACY_LIST.fetch(req, group_snapshots_db.list_rows, consistency=True))


@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.LEGACY_SUMMARY.page)
def legacy_index(req: wsgi.Request) -> dict[str, Any]:
    return _legacy_page(req, view.LEGACY_SUMMARY)


@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.LEGACY_DETAIL.page)
def legacy_detail(req: wsgi.Request) -> dict[str, Any]:
    return _legacy_page(req, view.LEGACY_DETAIL)


@wsgi.response(200, view.LEGACY_DETAIL.one)
def legacy_show(req: wsgi.Request, cgsnapshot_id: str) -> dict[str, Any]:
    return view.LEGACY_DETAIL.one(req, _load(req, cgsnapshot_id, policy.GET, legacy=True))


@wsgi.body(schema.LEGACY_CREATE, key='cgsnapshot')
@wsgi.response(202, view.LEGACY_SUMMARY.one)
def legacy_create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    made = _create(req, body, body['consistencygroup_id'], legacy=True)
    return view.LEGACY_SUMMARY.one(req, made)


@wsgi.response(202)
def legacy_delete(req: wsgi.Request, cgsnapshot_id: str) -> None:
    group_snapshots.delete(req.context, _load(req, cgsnapshot_id, policy.DELETE, legacy=True))
