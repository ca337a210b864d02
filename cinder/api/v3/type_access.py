# SPDX-License-Identifier: Apache-2.0
"""Handlers of the access of projects to private volume types."""
from typing import Any

from cinder import exception, objects
from cinder.api import wsgi
from cinder.api.schemas import type_access as schema
from cinder.api.views import shapes
from cinder.db import type_access
from cinder.db import types as types_db
from cinder.i18n import _
from cinder.policies import type_access as policy
from cinder.volume.api import notices


@wsgi.response(200, shapes.wrap('volume_type_access', shapes.items(
    shapes.record('project_id', 'volume_type_id'))))
def index(req: wsgi.Request, type_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    if types_db.get(req.context, type_id).is_public:
        raise exception.NotFound(_('Volume type %s is public, so it has no list of projects.')
                                 % type_id)
    return {'volume_type_access': [{'volume_type_id': type_id, 'project_id': project_id}
                                   for project_id in type_access.projects(req.context, type_id)]}


@wsgi.body(schema.ADD, key='addProjectAccess')
@wsgi.response(202)
@wsgi.errors(409)
def add(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> None:
    req.context.authorize(policy.ADD)
    _private(req, type_id)
    with notices.of_admin(req.context, 'volume_type_project.access.add', volume_type_id=type_id,
                          project_id=body['project']):
        type_access.add(req.context, type_id, body['project'])


@wsgi.body(schema.REMOVE, key='removeProjectAccess')
@wsgi.response(202)
def remove(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> None:
    req.context.authorize(policy.REMOVE)
    _private(req, type_id)
    with notices.of_admin(req.context, 'volume_type_project.access.remove', volume_type_id=type_id,
                          project_id=body['project']):
        type_access.remove(req.context, type_id, body['project'])


def _private(req: wsgi.Request, type_id: str) -> objects.VolumeType:
    volume_type = types_db.get(req.context, type_id)
    if volume_type.is_public:
        raise exception.InvalidVolumeType(reason=_('the type is public: every project can use it'))
    return volume_type


ACTIONS = {'addProjectAccess': add, 'removeProjectAccess': remove}
