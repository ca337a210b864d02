# SPDX-License-Identifier: Apache-2.0
"""Handlers of the default volume types of projects, used if a request names no type."""
from typing import Any

from cinder import exception
from cinder.api import identity, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import default_types as schema
from cinder.api.views import default_types as view
from cinder.db import default_types as defaults_db
from cinder.db import types as types_db
from cinder.i18n import _
from cinder.policies import default_types as policy


@wsgi.versions(mv.DEFAULT_TYPES)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.VIEW.page(req, listings.Rows(defaults_db.list_all(req.context)))


@wsgi.versions(mv.DEFAULT_TYPES)
@wsgi.response(200, view.VIEW.one)
def show(req: wsgi.Request, target_project_id: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    identity.require_project(req.context, target_project_id)
    return view.VIEW.one(req, defaults_db.get(req.context, target_project_id))


@wsgi.versions(mv.DEFAULT_TYPES)
@wsgi.body(schema.SET, key='default_type')
@wsgi.response(200, view.VIEW.one)
def update(req: wsgi.Request, target_project_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.SET)
    if len(target_project_id) > 255:
        raise exception.InvalidInput(reason=_('a project id has more than 255 characters'))
    identity.require_project(req.context, target_project_id)
    try:
        volume_type = types_db.get_by_name_or_id(req.context, body['volume_type'])
        made = defaults_db.put(req.context, target_project_id, volume_type.id)
    except exception.VolumeTypeNotFound as exc:
        raise exception.InvalidInput(reason=exc.msg) from None
    return view.VIEW.one(req, made)


@wsgi.versions(mv.DEFAULT_TYPES)
@wsgi.response(204)
def delete(req: wsgi.Request, target_project_id: str) -> None:
    req.context.authorize(policy.UNSET)
    identity.require_project(req.context, target_project_id)
    defaults_db.destroy(req.context, target_project_id)
