# SPDX-License-Identifier: Apache-2.0
"""Handlers of POST /volumes/{volume_id}/action; those of image metadata are in volume_metadata."""
from collections.abc import Callable
from typing import Any

from cinder import exception, objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas import volume_actions as schema
from cinder.api.schemas.base import boolean, normalize_uuid
from cinder.api.v3 import trash, volume_metadata
from cinder.api.views import shapes
from cinder.api.views import volumes as view
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.policies import attachments as attachment_policy
from cinder.policies import volume_actions as policy
from cinder.policies import volumes as volume_policy
from cinder.volume.api import images, volume_actions, volumes


def _load(req: wsgi.Request, volume_id: str, rule: str) -> objects.Volume:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(rule, volume)
    return volume


def _plain(key: str, rule: str, act: Callable) -> Callable:
    """Return the handler of an action without arguments."""
    @wsgi.body(schema.any_body(key))
    @wsgi.response(202)
    def handler(req: wsgi.Request, volume_id: str, body: object) -> None:
        act(req.context, _load(req, volume_id, rule))
    return handler


# ---------------------------------------------------------------------------------- attachments
@wsgi.body(schema.ATTACH, key='os-attach')
@wsgi.response(202)
def attach(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.ATTACH)
    volume_actions.attach(req.context, volume, normalize_uuid(body.get('instance_uuid')),
                          body.get('host_name'), body['mountpoint'], body.get('mode'))


@wsgi.body(schema.any_body('os-unreserve'))
@wsgi.response(202)
@wsgi.errors(409)
def unreserve(req: wsgi.Request, volume_id: str, body: object) -> None:
    volume = _load(req, volume_id, policy.UNRESERVE)
    attachment = volume_actions.reservation(volume)
    if attachment:
        req.context.authorize(attachment_policy.DELETE, attachment)
    volume_actions.unreserve(req.context, volume, attachment)


@wsgi.body(schema.DETACH, key='os-detach')
@wsgi.response(202)
@wsgi.errors(409)
def detach(req: wsgi.Request, volume_id: str, body: dict[str, Any] | None) -> None:
    volume = _load(req, volume_id, policy.DETACH)
    volume_actions.detach(req.context, volume, normalize_uuid((body or {}).get('attachment_id')))


@wsgi.body(schema.FORCE_DETACH, key='os-force_detach')
@wsgi.response(202)
@wsgi.errors(409)
def force_detach(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.FORCE_DETACH)
    req.context.authorize(policy.TERMINATE, volume)
    req.context.authorize(policy.DETACH, volume)
    volume_actions.force_detach(req.context, volume, normalize_uuid(body.get('attachment_id')),
                                body.get('connector'))


@wsgi.body(schema.INITIALIZE, key='os-initialize_connection')
@wsgi.response(200, shapes.wrap('connection_info', shapes.OBJECT))
@wsgi.errors(409)
def initialize_connection(req: wsgi.Request, volume_id: str,
                          body: dict[str, Any]) -> dict[str, Any]:
    volume = _load(req, volume_id, policy.INITIALIZE)
    return {'connection_info': volume_actions.initialize_connection(
        req.context, volume, body['connector'])}


@wsgi.body(schema.TERMINATE, key='os-terminate_connection')
@wsgi.response(202)
@wsgi.errors(409)
def terminate_connection(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.TERMINATE)
    volume_actions.terminate_connection(req.context, volume, body['connector'])


# -------------------------------------------------------------------------- size, type and content
@wsgi.body(schema.EXTEND, key='os-extend')
@wsgi.response(202)
def extend(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = volumes_db.get(req.context, volume_id)
    attached = req.api_version >= mv.EXTEND_IN_USE and volume.status == 'in-use'
    req.context.authorize(policy.EXTEND_ATTACHED if attached else policy.EXTEND, volume)
    volumes.extend(req.context, volume, int(body['new_size']), attached_ok=attached)


@wsgi.body(schema.EXTEND_COMPLETION, key='os-extend_volume_completion')
@wsgi.response(202)
def extend_completion(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.EXTEND_COMPLETION)
    volume_actions.extend_completion(req.context, volume, schema.reports_failure(body))


@wsgi.versions(mv.REVERT)
@wsgi.body(schema.REVERT, key='revert')
@wsgi.response(202)
@wsgi.errors(409)
def revert(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.REVERT)
    volume_actions.revert(req.context, volume, body.get('snapshot_id'))


@wsgi.body(schema.RETYPE, key='os-retype')
@wsgi.response(202)
def retype(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.RETYPE)
    new_type = types_db.get_by_name_or_id(req.context, body['new_type'])
    volume_actions.retype(req.context, volume, new_type, body.get('migration_policy', 'never'))


# ----------------------------------------------------------------------------------------- images
@wsgi.body(schema.UPLOAD_IMAGE, key='os-volume_upload_image')
@wsgi.response(202, view.UPLOADED)
def upload_image(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> dict[str, Any]:
    volume = _load(req, volume_id, policy.UPLOAD_IMAGE)
    access = {}
    if req.api_version >= mv.UPLOAD_IMAGE_PARAMS:
        access = {'visibility': body.get('visibility', 'private'),
                  'protected': boolean(body.get('protected', False))}
        if access['visibility'] == 'public':
            req.context.authorize(policy.UPLOAD_PUBLIC, volume)
    image = images.upload(
        req.context, volume, name=body['image_name'], force=boolean(body.get('force', False)),
        disk_format=body.get('disk_format', 'raw'),
        container_format=body.get('container_format') or 'bare', **access)
    return view.render_uploaded(req, volumes_db.get(req.context, volume.id), {**image, **access})


@wsgi.versions(mv.REIMAGE)
@wsgi.body(schema.REIMAGE, key='os-reimage')
@wsgi.response(202)
@wsgi.errors(409)
def reimage(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.REIMAGE)
    reserved = boolean(body.get('reimage_reserved', False))
    if volume.status == 'reserved' and reserved:
        req.context.authorize(policy.REIMAGE_RESERVED, volume)
    images.reimage(req.context, volume, normalize_uuid(body['image_id']), reserved_ok=reserved)


# ----------------------------------------------------------------------------- flags and statuses
@wsgi.body(schema.READONLY, key='os-update_readonly_flag')
@wsgi.response(202)
def update_readonly_flag(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.UPDATE_READONLY)
    volumes.set_readonly(req.context, volume, boolean(body['readonly']))


@wsgi.body(schema.BOOTABLE, key='os-set_bootable')
def set_bootable(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, volume_policy.UPDATE)
    volumes.set_bootable(req.context, volume, boolean(body['bootable']))


@wsgi.body(schema.RESET_STATUS, key='os-reset_status')
@wsgi.response(202)
def reset_status(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, policy.RESET_STATUS)
    volumes.reset_status(req.context, volume,
                         **{key: value.lower() for key, value in body.items() if value})


@wsgi.body(schema.any_body('os-force_delete'))
@wsgi.response(202)
@wsgi.errors(409)
def force_delete(req: wsgi.Request, volume_id: str, body: object) -> None:
    try:
        volume = _load(req, volume_id, policy.FORCE_DELETE)
    except exception.VolumeNotFound:
        if not trash.purge_by_force(req, volume_id, 'volume', policy.FORCE_DELETE):
            raise
        return
    volumes.delete(req.context, volume, force=True)


ACTIONS = {
    'os-attach': attach,
    'os-detach': detach,
    'os-force_detach': force_detach,
    'os-reserve': _plain('os-reserve', policy.RESERVE, volume_actions.reserve),
    'os-unreserve': unreserve,
    'os-begin_detaching': _plain('os-begin_detaching', policy.BEGIN_DETACHING,
                                 volume_actions.begin_detaching),
    'os-roll_detaching': _plain('os-roll_detaching', policy.ROLL_DETACHING,
                                volume_actions.roll_detaching),
    'os-initialize_connection': initialize_connection,
    'os-terminate_connection': terminate_connection,
    'os-extend': extend,
    'os-extend_volume_completion': extend_completion,
    'revert': revert,
    'os-retype': retype,
    'os-volume_upload_image': upload_image,
    'os-reimage': reimage,
    'os-update_readonly_flag': update_readonly_flag,
    'os-set_bootable': set_bootable,
    'os-reset_status': reset_status,
    'os-force_delete': force_delete,
    **volume_metadata.ACTIONS,
}
