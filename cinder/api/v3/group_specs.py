# SPDX-License-Identifier: Apache-2.0
"""Handlers of the specs of group types."""
from typing import Any

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas import group_types as schema
from cinder.api.views import shapes
from cinder.db import group_types as group_types_db
from cinder.i18n import _
from cinder.policies import group_specs as policy
from cinder.volume.api import notices

_SPECS = shapes.wrap('group_specs', shapes.TEXTS)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(200, _SPECS)
def index(req: wsgi.Request, group_type_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return {'group_specs': group_types_db.get(req.context, group_type_id).group_specs}


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(200, shapes.TEXTS)
def show(req: wsgi.Request, group_type_id: str, key: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    specs = group_types_db.get(req.context, group_type_id).group_specs
    if key not in specs:
        raise exception.GroupTypeSpecsNotFound(group_type_id=group_type_id, group_specs_key=key)
    return {key: specs[key]}


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.body(schema.CREATE_SPECS, key='group_specs')
@wsgi.response(202, _SPECS)
def create(req: wsgi.Request, group_type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    with notices.of_admin(req.context, 'group_type_specs.create', type_id=group_type_id,
                          specs=body):
        group_types_db.set_specs(req.context, group_type_id, body)
    return {'group_specs': body}


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.body(schema.UPDATE_SPEC)
@wsgi.response(200, shapes.TEXTS)
def update(req: wsgi.Request, group_type_id: str, key: str,
           body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    if key not in body:
        raise exception.InvalidInput(reason=_('the key of the URL must be in the body'))
    with notices.of_admin(req.context, 'group_type_specs.update', type_id=group_type_id, id=key):
        group_types_db.set_specs(req.context, group_type_id, body)
    return body


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(202)
def delete(req: wsgi.Request, group_type_id: str, key: str) -> None:
    req.context.authorize(policy.DELETE)
    with notices.of_admin(req.context, 'group_type_specs.delete', type_id=group_type_id, id=key):
        group_types_db.delete_spec(req.context, group_type_id, key)
