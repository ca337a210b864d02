# SPDX-License-Identifier: Apache-2.0
"""Handlers of /volumes; other modules have its actions and metadata."""
from typing import Any

import webob

from cinder import exception, objects
from cinder.api import converters, hints, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base as schema_base
from cinder.api.schemas import volumes as schema
from cinder.api.views import volumes as view
from cinder.db import backups as backups_db
from cinder.db import groups as groups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import backups as backup_policy
from cinder.policies import pools as pool_policy
from cinder.policies import volumes as policy
from cinder.volume.api import images, volumes


def _any_text_is_true(_name: str, text: str) -> bool:
    return text.strip().lower() not in ('0', 'f', 'false', 'off', 'no', 'n', '')


_FILTERS = {
    'name': listings.Filter(column='display_name'),
    'status': listings.Filter(),
    'metadata': listings.Filter(),
    'glance_metadata': listings.Filter(since=mv.GLANCE_METADATA_FILTER),
    'bootable': listings.Filter(converters.boolean),
    'migration_status': listings.Filter(),
    'availability_zone': listings.Filter(),
    'group_id': listings.Filter(since=mv.GROUP_ID_FILTER),
    'size': listings.Filter(),
    'created_at': listings.Filter(since=mv.CONFIGURED_FILTERS),
    'updated_at': listings.Filter(since=mv.CONFIGURED_FILTERS),
    'consumes_quota': listings.Filter(converters.boolean, since=mv.CONFIGURED_FILTERS,
                                      column='use_quota'),
}
_SORTS = {name: name for name in (
    'id', 'size', 'status', 'created_at', 'updated_at', 'availability_zone', 'bootable',
    'multiattach', 'attach_status', 'migration_status', 'replication_status', 'display_name',
    'display_description', 'project_id', 'user_id', 'volume_type_id', 'snapshot_id',
    'source_volid', 'group_id', 'launched_at', 'scheduled_at', 'name_id')}
_SORTS |= {'name': 'display_name', 'description': 'display_description'}

LIST = listings.Listing('volume', _SORTS, _FILTERS, counts=True)
_LEGACY_LIST = listings.Listing('volume', _SORTS,
                                _FILTERS | {'bootable': listings.Filter(_any_text_is_true)})
_LISTS = [(mv.BASE, _LEGACY_LIST), (mv.STRICT_BOOTABLE_FILTER, LIST)]


def _page(req: wsgi.Request, answer: view.View, detail: bool) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    listing = listings.listing_at(_LISTS, req.api_version)
    return answer.page(req, listing.fetch(req, volumes_db.list_rows, detail=detail))


@wsgi.listing(_LISTS)
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY, detail=False)


@wsgi.listing(_LISTS)
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL, detail=True)


@wsgi.versions(mv.VOLUME_SUMMARY)
@wsgi.query(all_tenants=converters.boolean)
@wsgi.response(200, view.TOTALS)
def summary(req: wsgi.Request) -> dict[str, Any]:
    ctxt = req.context
    ctxt.authorize(policy.GET_ALL)
    everybody = ctxt.is_admin and req.params.get('all_tenants', False)
    return view.render_summary(req, volumes_db.summary(ctxt, all_tenants=everybody))


@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, volume_id: str) -> dict[str, Any]:
    row = volumes_db.get_row(req.context, volume_id)
    req.context.authorize(policy.GET, row)
    return view.DETAIL.one(req, row)


@wsgi.body(schema.CREATE, key='volume')
@wsgi.response(202, view.CHANGED.one)
@wsgi.headers(**{hints.WARNING_HEADER: hints.WARNING})
@wsgi.errors(409)
def create(req: wsgi.Request, body: dict[str, Any]) -> webob.Response:
    volume = _create(req, body, policy.CREATE)
    return wsgi.respond(req.environ, view.render_changed(req, volume), 202,
                        hints.warnings(hints.of_body(req.json)))


@wsgi.body(schema.CREATE, key='volume')
def rehearse_create(req: wsgi.Request, body: dict[str, Any]) -> None:
    """Run create() for a caller who may ask what would become of a volume, but not create it."""
    _create(req, body, pool_policy.WHAT_IF_CREATE)


def _create(req: wsgi.Request, body: dict[str, Any], rule: str) -> objects.Volume:
    ctxt = req.context
    wanted = hints.of_body(req.json)
    source = _source(req, body)
    volume_type = _type(req, body, source.get('image'))
    group = _group(req, body)
    ctxt.authorize(rule)
    source_volume = source.get('source_volume')
    if (volume_type and volume_type.is_('multiattach')) or (
            source_volume and source_volume.multiattach):
        ctxt.authorize(policy.MULTIATTACH)
    size = body.get('size')
    return volumes.create(
        ctxt, size=None if size is None else int(size), volume_type=volume_type, **source,
        name=_either(body, 'name'), description=_either(body, 'description'),
        metadata=body.get('metadata'), availability_zone=body.get('availability_zone'),
        scheduler_hints=wanted, group=group)


@wsgi.body(schema.UPDATE, key='volume')
@wsgi.response(200, view.CHANGED.one)
def update(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    volume = volumes_db.get(ctxt, volume_id)
    ctxt.authorize(policy.GET, volume)
    ctxt.authorize(policy.UPDATE, volume)
    values = {f'display_{key}': _either(body, key) for key in ('name', 'description')
              if key in body or f'display_{key}' in body}
    if 'metadata' in body:
        values['metadata'] = body['metadata']
    return view.render_changed(req, volumes.update(ctxt, volume, values))


@wsgi.response(202)
@wsgi.query(cascade=converters.boolean, force=(mv.FORCE_DELETE, converters.boolean))
def delete(req: wsgi.Request, volume_id: str) -> None:
    ctxt = req.context
    force = req.params.get('force', False)
    volume = volumes_db.get(ctxt, volume_id)
    ctxt.authorize(policy.GET, volume)
    ctxt.authorize(policy.DELETE, volume)
    if force:
        ctxt.authorize(policy.FORCE_DELETE, volume)
    volumes.delete(ctxt, volume, force=force, cascade=req.params.get('cascade', False))


# ------------------------------------------------------------------------------ parts of create
def _either(body: dict[str, Any], key: str) -> str | None:
    """Return `key` of the body, or its legacy spelling with the prefix display_."""
    return body[key] if key in body else body.get(f'display_{key}')


def _type(req: wsgi.Request, body: dict[str, Any],
          image: dict[str, Any] | None) -> objects.VolumeType | None:
    """Return the type that the request or the image names; None: that of the source, or default."""
    multiattach = body.get('multiattach')
    if multiattach is not None and schema_base.boolean(multiattach):
        raise exception.InvalidInput(
            reason=_('multiattach is a property of the volume type, not of a request'))
    name = body.get('volume_type')
    if name:
        return types_db.get_by_name_or_id(req.context, name)
    return images.volume_type_of(req.context, image) if image else None


def _source(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    """Return the source of the new volume, as an argument of create().

    :raises InvalidInput: the body has several sources.
    :raises NotFound: the source does not exist.
    """
    wanted = {key: schema_base.normalize_uuid(body[key]) for key in ('snapshot_id', 'source_volid')
              if body.get(key)}
    image = body.get('imageRef') or body.get('image_id')
    if image:
        wanted['imageRef'] = image
    if req.api_version >= mv.VOLUME_FROM_BACKUP and body.get('backup_id'):
        wanted['backup_id'] = schema_base.normalize_uuid(body['backup_id'])
    if len(wanted) > 1:
        raise exception.InvalidInput(
            reason=_('expected at most one source of the volume, not %s')
            % ', '.join(sorted(wanted)))
    return {} if not wanted else _load_source(req, *wanted.popitem())


def _load_source(req: wsgi.Request, key: str, ident: str) -> dict[str, Any]:
    ctxt = req.context
    if key == 'snapshot_id':
        return {'snapshot': snapshots_db.get(ctxt, ident)}
    if key == 'source_volid':
        return {'source_volume': volumes_db.get(ctxt, ident)}
    if key == 'imageRef':
        ctxt.authorize(policy.CREATE_FROM_IMAGE)
        image = images.find(ctxt, ident)
        snapshot = (images.snapshot_of(ctxt, image) if req.api_version >= mv.NOVA_IMAGE else None)
        return {'snapshot': snapshot} if snapshot else {'image': image}
    backup = backups_db.get(ctxt, ident)
    ctxt.authorize(backup_policy.GET, backup)
    return {'backup': backup}


def _group(req: wsgi.Request, body: dict[str, Any]) -> objects.Group | None:
    """Return the group that the volume joins; the body names it by the key of groups or by that of
    consistency groups.

    :raises GroupNotFound: the group does not exist, or is of the other type.
    """
    legacy = body.get('consistencygroup_id')
    ident = legacy or (body.get('group_id') if req.api_version >= mv.GROUPS else None)
    if not ident:
        return None
    group = groups_db.get(req.context, ident)
    if group.is_consistency_group is not bool(legacy):
        raise exception.GroupNotFound(group_id=ident)
    return group
