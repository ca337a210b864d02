# SPDX-License-Identifier: Apache-2.0
"""Handlers of /groups, and of /consistencygroups for groups of the legacy type. The actions are in
group_actions.py."""
from typing import Any

from cinder import exception, objects
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base as schema_base
from cinder.api.schemas import groups as schema
from cinder.api.views import groups as view
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.i18n import _
from cinder.policies import groups as policy
from cinder.volume.api import groups

_SORTS = ('id', 'name', 'description', 'status', 'availability_zone', 'group_type_id', 'host',
          'project_id', 'user_id', 'created_at', 'updated_at')
LIST = listings.Listing('group', _SORTS, {'name': listings.Filter(since=mv.CONFIGURED_FILTERS)},
                        flags=('list_volume',))
_LISTS_VOLUMES = wsgi.query(list_volume=(mv.GROUP_VOLUMES, converters.boolean))
LEGACY_LIST = listings.Listing('consistencygroup', _SORTS, {}, strict_since=mv.MAX + 1)


def load(req: wsgi.Request, group_id: str, rule: str, legacy: bool = False) -> objects.Group:
    """Load a group and check that the caller passes `rule` for it.

    :param legacy: True: only a consistency group; False: only another group.
    :raises GroupNotFound: the group does not exist, or is not a consistency group.
    :raises InvalidGroup: it is a consistency group, which has other URLs.
    """
    group = groups_db.get(req.context, group_id)
    req.context.authorize(rule, group)
    if group.is_consistency_group and not legacy:
        raise exception.InvalidGroup(
            reason=_('%s is a consistency group; use /consistencygroups') % group_id)
    if legacy and not group.is_consistency_group:
        raise exception.GroupNotFound(group_id=group_id)
    return group


@wsgi.versions(mv.GROUPS)
@wsgi.listing(LIST)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.SUMMARY.page(req, LIST.fetch(req, groups_db.list_rows))


@wsgi.versions(mv.GROUPS)
@wsgi.listing(LIST)
@_LISTS_VOLUMES
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.DETAIL.page(req, LIST.fetch(req, groups_db.list_rows, detail=True,
                                            volumes=req.params.get('list_volume', False)))


@wsgi.versions(mv.GROUPS)
@_LISTS_VOLUMES
@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, group_id: str) -> dict[str, Any]:
    group = load(req, group_id, policy.GET)
    row = {name: group.get(name) for name in group.fields}
    if req.params.get('list_volume'):
        row['volumes'] = groups_db.volume_ids(req.context, group.id)
    return view.DETAIL.one(req, row)


@wsgi.versions(mv.GROUPS)
@wsgi.body(schema.CREATE, key='group')
@wsgi.response(202, view.SUMMARY.one)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    ctxt.authorize(policy.CREATE)
    group_type = group_types_db.get_by_name_or_id(ctxt, body['group_type'].strip())
    if group_type.name == objects.groups.CONSISTENCY_TYPE:
        raise exception.InvalidInput(
            reason=_('group type %s is reserved for consistency groups') % group_type.name)
    made = groups.create(ctxt, group_type, groups.volume_types_of(ctxt, body['volume_types']),
                         name=body.get('name'), description=body.get('description'),
                         availability_zone=body.get('availability_zone'))
    return view.SUMMARY.one(req, made)


@wsgi.versions(mv.GROUPS)
@wsgi.body(schema.UPDATE, key='group')
@wsgi.response(202)
def update(req: wsgi.Request, group_id: str, body: dict[str, Any]) -> None:
    _update(req, load(req, group_id, policy.UPDATE), body, blanks=True)


def _update(req: wsgi.Request, group: objects.Group, body: dict[str, Any], blanks: bool) -> None:
    """:param blanks: whether name and description may become empty."""
    values = {key: body[key] for key in ('name', 'description')
              if body.get(key) or (blanks and body.get(key) is not None)}
    moves = {key: _ids(body.get(f'{key}_volumes')) for key in ('add', 'remove')}
    if not values and not any(moves.values()):
        raise exception.InvalidInput(
            reason=_('expected at least one of name, description, add_volumes and remove_volumes'))
    groups.update(req.context, group, values, **moves)


def _ids(text: str | None) -> list[str]:
    """Split a comma-separated list and remove duplicates."""
    parts = (part.strip() for part in (text or '').split(','))
    return list(dict.fromkeys(part for part in parts if part))


def create_from_source(req: wsgi.Request, body: dict[str, Any], snapshot_id: str | None,
                       group_id: str | None, legacy: bool = False) -> objects.Group:
    """Create a group from either a group snapshot or another group."""
    ctxt = req.context
    if bool(snapshot_id) == bool(group_id):
        raise exception.InvalidInput(
            reason=_('expected exactly one of a group snapshot and a group as the source'))
    ctxt.authorize(policy.CREATE)
    names = {'name': body.get('name'), 'description': body.get('description')}
    if group_id:
        return groups.copy_group(ctxt, load(req, group_id, policy.GET, legacy), **names)
    source = group_snapshots_db.get(ctxt, snapshot_id)
    if source.group.is_consistency_group is not legacy:
        raise exception.GroupSnapshotNotFound(group_snapshot_id=snapshot_id)
    return groups.copy_group_snapshot(ctxt, source, **names)


# -------------------------------------------------------------------------- consistency groups
@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.LEGACY_SUMMARY.page)
def legacy_index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.LEGACY_SUMMARY.page(
        req, LEGACY_LIST.fetch(req, groups_db.list_rows, consistency=True))


@wsgi.listing(LEGACY_LIST)
@wsgi.response(200, view.LEGACY_DETAIL.page)
def legacy_detail(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.LEGACY_DETAIL.page(req, LEGACY_LIST.fetch(req, groups_db.list_rows, detail=True,
                                                          consistency=True))


@wsgi.response(200, view.LEGACY_DETAIL.one)
def legacy_show(req: wsgi.Request, consistencygroup_id: str) -> dict[str, Any]:
    return view.LEGACY_DETAIL.one(req, load(req, consistencygroup_id, policy.GET, legacy=True))


@wsgi.body(schema.LEGACY_CREATE, key='consistencygroup')
@wsgi.response(202, view.LEGACY_SUMMARY.one)
def legacy_create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    ctxt.authorize(policy.CREATE)
    names = _ids(body['volume_types'])
    if not names:
        raise exception.InvalidInput(reason=_('volume_types is empty'))
    volume_types = groups.volume_types_of(ctxt, names)
    made = groups.create(ctxt, group_types_db.of_consistency_groups(ctxt), volume_types,
                         name=body.get('name'), description=body.get('description'),
                         availability_zone=body.get('availability_zone'))
    return view.LEGACY_SUMMARY.one(req, made)


@wsgi.body(schema.LEGACY_CREATE_FROM_SRC, key='consistencygroup-from-src')
@wsgi.response(202, view.LEGACY_SUMMARY.one)
def legacy_create_from_src(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    made = create_from_source(req, body, body.get('cgsnapshot_id'), body.get('source_cgid'),
                              legacy=True)
    return view.LEGACY_SUMMARY.one(req, made)


@wsgi.body(schema.LEGACY_UPDATE, key='consistencygroup')
@wsgi.response(202)
def legacy_update(req: wsgi.Request, consistencygroup_id: str, body: dict[str, Any]) -> None:
    _update(req, load(req, consistencygroup_id, policy.UPDATE, legacy=True), body,
            blanks=req.api_version >= mv.CG_UPDATE_BLANKS)


@wsgi.body(schema.LEGACY_UPDATE, key='consistencygroup')
@wsgi.response(202)
def legacy_update_again(req: wsgi.Request, consistencygroup_id: str, body: dict[str, Any]) -> None:
    """Handle the older URL, where empty values are ignored."""
    _update(req, load(req, consistencygroup_id, policy.UPDATE, legacy=True), body, blanks=False)


@wsgi.body(schema.LEGACY_DELETE, key='consistencygroup', optional=True)
@wsgi.response(202)
def legacy_delete(req: wsgi.Request, consistencygroup_id: str, body: dict[str, Any]) -> None:
    groups.delete(req.context, load(req, consistencygroup_id, policy.DELETE, legacy=True),
                  delete_volumes=schema_base.boolean(body.get('force', False)))
