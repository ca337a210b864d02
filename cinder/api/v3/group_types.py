# SPDX-License-Identifier: Apache-2.0
"""Handlers of group types: list, show, create, update, delete."""
from typing import Any

from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import group_types as schema
from cinder.api.v3 import type_requests
from cinder.api.views import group_types as view
from cinder.db import group_types as group_types_db
from cinder.policies import group_types as policy
from cinder.volume.api import notices

LIST = listings.Listing(
    'group_type', sorts=type_requests.SORTS,
    filters={'is_public': listings.Filter(type_requests.parse_is_public)}, strict_since=mv.MAX + 1,
    of_projects=False, forgiving=True)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.listing(LIST)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return view.VIEW.page(req, type_requests.fetch_types(req, LIST, group_types_db.list_rows))


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(200, view.VIEW.one)
def show(req: wsgi.Request, group_type_id: str) -> dict[str, Any]:
    if group_type_id == 'default':
        return view.VIEW.one(req, group_types_db.default(req.context))
    return view.VIEW.one(req, group_types_db.get(req.context, group_type_id))


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.body(schema.CREATE, key='group_type')
@wsgi.response(202, view.VIEW.one)
@wsgi.errors(409)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    values = {'name': body['name'], 'description': body.get('description'),
              'is_public': base.boolean(body.get('is_public', True))}
    with notices.of_admin(req.context, 'group_type.create') as payload:
        made = group_types_db.create(req.context, values, specs=body.get('group_specs'))
        payload['group_types'] = notices.type_of('group_types', made)
    return view.VIEW.one(req, made)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.body(schema.UPDATE, key='group_type')
@wsgi.response(200, view.VIEW.one)
@wsgi.errors(409)
def update(req: wsgi.Request, group_type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    changes = type_requests.get_changes(body, 'group type')
    with notices.of_admin(req.context, 'group_type.update') as payload:
        group_types_db.update(req.context, group_type_id, changes)
        changed = group_types_db.get(req.context, group_type_id)
        payload['group_types'] = notices.type_of('group_types', changed)
    return view.VIEW.one(req, changed)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(202)
def delete(req: wsgi.Request, group_type_id: str) -> None:
    req.context.authorize(policy.DELETE)
    with notices.of_admin(req.context, 'group_type.delete', group_types=lambda: notices.type_of(
            'group_types', group_types_db.get(req.context, group_type_id))):
        group_types_db.destroy(req.context, group_type_id)
