# SPDX-License-Identifier: Apache-2.0
"""Handlers of volume types: list, show, create, update, delete."""
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import types as schema
from cinder.api.views import types as view
from cinder.context import RequestContext
from cinder.db import query
from cinder.db import types as types_db
from cinder.i18n import _
from cinder.policies import types as policy


def _is_public(name: str, text: str) -> bool | None:
    return None if text.lower() == 'none' else converters.boolean(name, text)


LIST = listings.Listing(
    'volume_type', sorts=('id', 'name', 'description', 'is_public', 'created_at', 'updated_at'),
    filters={'is_public': listings.Filter(_is_public),
             'extra_specs': listings.Filter(since=mv.TYPE_SPECS_FILTER)},
    strict_since=mv.TYPE_SPECS_FILTER, of_projects=False, forgiving=True)


@wsgi.listing(LIST)
@wsgi.response(200, view.SHOWN.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)

    def rows(ctxt: RequestContext, filters: dict, **page: Any) -> query.Page:
        if ctxt.is_admin:
            filters.setdefault('is_public', True)
        else:
            filters.pop('is_public', None)
        # A caller must not find out a hidden spec by filtering for its value.
        hidden = _hides(req, filters.get('extra_specs'))
        return query.Page([]) if hidden else types_db.list_rows(ctxt, filters=filters, **page)
    return view.SHOWN.page(req, LIST.fetch(req, rows))


def _hides(req: wsgi.Request, wanted: str | None) -> bool:
    if wanted is None:
        return False
    try:
        pairs = query.as_pairs(wanted)
    except query.NoMatch:
        return True
    return view.visible_specs(req, pairs) != pairs


@wsgi.response(200, view.SHOWN.one)
def show(req: wsgi.Request, type_id: str) -> dict[str, Any]:
    ctxt = req.context
    if type_id == 'default':
        ctxt.authorize(policy.GET)
        return view.DEFAULT.one(req, types_db.default(ctxt))
    volume_type = types_db.get(ctxt, type_id)
    ctxt.authorize(policy.GET)
    return view.SHOWN.one(req, volume_type)


@wsgi.body(schema.CREATE, key='volume_type')
@wsgi.response(200, view.CREATED.one)
@wsgi.errors(409)
def create(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CREATE)
    values = {'name': body['name'], 'description': body.get('description'),
              'is_public': base.boolean(body.get('os-volume-type-access:is_public', True))}
    made = types_db.create(req.context, values, extra_specs=body.get('extra_specs'))
    return view.CREATED.one(req, made)


@wsgi.body(schema.UPDATE, key='volume_type')
@wsgi.response(200, view.UPDATED.one)
@wsgi.errors(409)
def update(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    values = {key: value for key, value in body.items()
              if value is not None or key == 'description'}
    if 'is_public' in values:
        values['is_public'] = base.boolean(values['is_public'])
    if not any(body.get(key) is not None for key in body):
        raise exception.InvalidInput(
            reason=_('expected at least one of name, description and is_public'))
    if values.get('name') == '':
        raise exception.InvalidInput(reason=_('the name of a volume type cannot be empty'))
    types_db.update(req.context, type_id, values)
    return view.UPDATED.one(req, types_db.get(req.context, type_id))


@wsgi.response(202)
def delete(req: wsgi.Request, type_id: str) -> None:
    req.context.authorize(policy.DELETE)
    types_db.destroy(req.context, type_id)
