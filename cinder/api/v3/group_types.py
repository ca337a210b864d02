# SPDX-License-Identifier: Apache-2.0
"""Handlers of group types: list, show, create, update, delete."""
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import group_types as schema
from cinder.api.views import group_types as view
from cinder.context import RequestContext
from cinder.db import group_types as group_types_db
from cinder.db import query
from cinder.i18n import _
from cinder.policies import group_types as policy


def _is_public(name: str, text: str) -> bool | None:
    return None if text.lower() == 'none' else converters.boolean(name, text)


LIST = listings.Listing(
    'group_type', sorts=('id', 'name', 'description', 'is_public', 'created_at', 'updated_at'),
    filters={'is_public': listings.Filter(_is_public)}, strict_since=mv.MAX + 1, of_projects=False,
    forgiving=True)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.listing(LIST)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    def rows(ctxt: RequestContext, filters: dict, **page: Any) -> query.Page:
        if ctxt.is_admin:
            filters.setdefault('is_public', True)
        else:
            filters['is_public'] = True
        return group_types_db.list_rows(ctxt, filters=filters, **page)
    return view.VIEW.page(req, LIST.fetch(req, rows))


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
    made = group_types_db.create(req.context, values, specs=body.get('group_specs'))
    return view.VIEW.one(req, made)


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.body(schema.UPDATE, key='group_type')
@wsgi.response(200, view.VIEW.one)
@wsgi.errors(409)
def update(req: wsgi.Request, group_type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    values = {key: value for key, value in body.items() if value is not None}
    if not values:
        raise exception.InvalidInput(
            reason=_('expected at least one of name, description and is_public'))
    if values.get('name') == '':
        raise exception.InvalidInput(reason=_('the name of a group type cannot be empty'))
    if 'is_public' in values:
        values['is_public'] = base.boolean(values['is_public'])
    group_types_db.update(req.context, group_type_id, values)
    return view.VIEW.one(req, group_types_db.get(req.context, group_type_id))


@wsgi.versions(mv.GROUP_TYPES)
@wsgi.response(202)
def delete(req: wsgi.Request, group_type_id: str) -> None:
    req.context.authorize(policy.DELETE)
    group_types_db.destroy(req.context, group_type_id)
