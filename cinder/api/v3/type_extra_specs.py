# SPDX-License-Identifier: Apache-2.0
"""Handlers of the extra specs of volume types."""
import contextlib
from typing import Any

from cinder import exception, objects
from cinder.api import wsgi
from cinder.api.schemas import type_extra_specs as schema
from cinder.api.views import shapes
from cinder.api.views import types as view
from cinder.db import types as types_db
from cinder.i18n import _
from cinder.objects import type_sizes
from cinder.policies import type_extra_specs as policy
from cinder.volume.api import notices

_TRUE = '<is> True'


@wsgi.response(200, shapes.wrap('extra_specs', shapes.TEXTS))
def index(req: wsgi.Request, type_id: str) -> dict[str, Any]:
    volume_type = types_db.get(req.context, type_id)
    req.context.authorize(policy.GET_ALL)
    return {'extra_specs': view.visible_specs(req, volume_type.extra_specs)}


@wsgi.response(200, shapes.TEXTS)
def show(req: wsgi.Request, type_id: str, key: str) -> dict[str, Any]:
    volume_type = types_db.get(req.context, type_id)
    req.context.authorize(policy.GET)
    specs = view.visible_specs(req, volume_type.extra_specs)
    if key not in specs:
        raise exception.VolumeTypeExtraSpecsNotFound(volume_type_id=type_id, extra_specs_key=key)
    return {key: specs[key]}


@wsgi.body(schema.CREATE, key='extra_specs')
@wsgi.response(200, shapes.wrap('extra_specs', shapes.TEXTS))
def create(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    _set(req, type_id, body, 'create', specs=body)
    return {'extra_specs': body}


@wsgi.body(schema.UPDATE)
@wsgi.response(200, shapes.TEXTS)
def update(req: wsgi.Request, type_id: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    if key not in body:
        raise exception.InvalidInput(reason=_('the key of the URL must be in the body'))
    _set(req, type_id, body, 'update', id=key)
    return body


@wsgi.response(202)
def delete(req: wsgi.Request, type_id: str, key: str) -> None:
    req.context.authorize(policy.DELETE)
    with _noted(req, _unused(req, type_id), 'delete', id=key, deleted_at=None):
        types_db.delete_extra_spec(req.context, type_id, key)


def _noted(req: wsgi.Request, volume_type: objects.VolumeType, action: str,
           **payload: object) -> contextlib.AbstractContextManager[object]:
    return notices.of_admin(
        req.context, f'volume_type_extra_specs.{action}', type_id=volume_type.id, **payload,
        created_at=volume_type.created_at, updated_at=volume_type.updated_at)


def _set(req: wsgi.Request, type_id: str, changes: dict[str, str], action: str,
         **payload: object) -> None:
    volume_type = _unused(req, type_id)
    after = {**volume_type.extra_specs, **changes}
    if after.get('multiattach') == after.get('cacheable') == _TRUE:
        raise exception.InvalidInput(
            reason=_('a volume type cannot be both multiattach and cacheable'))
    wrong = type_sizes.fault(after)
    if wrong:
        raise exception.InvalidInput(reason=wrong)
    with _noted(req, volume_type, action, **payload):
        types_db.set_extra_specs(req.context, type_id, changes)


def _unused(req: wsgi.Request, type_id: str) -> objects.VolumeType:
    """Return the type; it may only be changed while no volume uses it."""
    volume_type = types_db.get(req.context, type_id)
    if types_db.in_use(req.context, type_id):
        raise exception.VolumeTypeInUse(volume_type_id=type_id)
    return volume_type
