# SPDX-License-Identifier: Apache-2.0
"""Handlers of the encryption settings of volume types. The encryption id in a URL is ignored."""
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.schemas import type_encryption as schema
from cinder.api.views import shapes
from cinder.api.views import type_encryption as view
from cinder.db import type_encryption as encryption_db
from cinder.db import types as types_db
from cinder.policies import type_encryption as policy
from cinder.volume.api import notices

_COLUMNS = ('key_size', 'provider', 'control_location', 'cipher')


@wsgi.response(200, view.FACTS)
def index(req: wsgi.Request, type_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    types_db.get(req.context, type_id)
    row = encryption_db.get(req.context, type_id)
    return view.SHOWN.renderer(req)(req, row) if row else {}


@wsgi.response(200, view.FACTS)
def show(req: wsgi.Request, type_id: str, key: str) -> dict[str, Any]:
    settings = index(req, type_id)
    if key not in settings:
        raise exception.VolumeTypeEncryptionNotFound(type_id=type_id)
    return {key: settings[key]}


@wsgi.body(schema.CREATE, key='encryption')
@wsgi.response(200, view.CREATED.one)
@wsgi.errors(409)
def create(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    _check_unused(req, type_id)
    with notices.of_admin(req.context, 'volume_type_encryption.create', type_id=type_id) as payload:
        made = encryption_db.create(req.context, type_id, _values(body))
        payload['specs'] = {**{name: made[name] for name in (*_COLUMNS, 'encryption_id')},
                            'volume_type_id': type_id}
    return view.CREATED.one(req, made)


@wsgi.body(schema.UPDATE, key='encryption')
@wsgi.response(200, shapes.wrap('encryption', shapes.OBJECT))
def update(req: wsgi.Request, type_id: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    _check_unused(req, type_id)
    with notices.of_admin(req.context, 'volume_type_encryption.update', type_id=type_id, id=key):
        encryption_db.update(req.context, type_id, _values(body))
    return {'encryption': body}


@wsgi.response(202)
def delete(req: wsgi.Request, type_id: str, key: str) -> None:
    req.context.authorize(policy.DELETE)
    _check_unused(req, type_id)
    with notices.of_admin(req.context, 'volume_type_encryption.delete', type_id=type_id, id=key):
        encryption_db.destroy(req.context, type_id)


def _values(body: dict[str, Any]) -> dict[str, Any]:
    values = {name: body[name] for name in _COLUMNS if name in body}
    if values.get('key_size') is not None:
        values['key_size'] = int(values['key_size'])
    return values


def _check_unused(req: wsgi.Request, type_id: str) -> None:
    """Reject a change while volumes of the type exist, because it would affect them too."""
    types_db.get(req.context, type_id)
    if types_db.in_use(req.context, type_id):
        raise exception.VolumeTypeInUse(volume_type_id=type_id)
