# SPDX-License-Identifier: Apache-2.0
"""Handlers of volume types: list, show, create, update, delete."""
from typing import Any

from cinder import exception
from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import types as schema
from cinder.api.v3 import type_requests
from cinder.api.views import types as view
from cinder.context import RequestContext
from cinder.db import query
from cinder.db import types as types_db
from cinder.objects import type_sizes
from cinder.policies import types as policy
from cinder.volume.api import notices

LIST = listings.Listing(
    'volume_type', sorts=type_requests.SORTS,
    filters={'is_public': listings.Filter(type_requests.parse_is_public),
             'extra_specs': listings.Filter(since=mv.TYPE_SPECS_FILTER)},
    strict_since=mv.TYPE_SPECS_FILTER, of_projects=False, forgiving=True)


@wsgi.listing(LIST)
@wsgi.response(200, view.SHOWN.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)

    def rows(ctxt: RequestContext, filters: dict, **page: Any) -> query.Page:
        # A caller must not find out a hidden spec by filtering for its value.
        hidden = _hides(req, filters.get('extra_specs'))
        return query.Page([]) if hidden else types_db.list_rows(ctxt, filters=filters, **page)
    return view.SHOWN.page(req, type_requests.fetch_types(req, LIST, rows))


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
    wrong = type_sizes.fault(body.get('extra_specs') or {})
    if wrong:
        raise exception.InvalidInput(reason=wrong)
    with notices.of_admin(req.context, 'volume_type.create') as payload:
        made = types_db.create(req.context, values, extra_specs=body.get('extra_specs'))
        payload['volume_types'] = notices.type_of('volume_types', made)
    return view.CREATED.one(req, made)


@wsgi.body(schema.UPDATE, key='volume_type')
@wsgi.response(200, view.UPDATED.one)
@wsgi.errors(409)
def update(req: wsgi.Request, type_id: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    changes = type_requests.get_changes(body, 'volume type', nullable=('description',))
    with notices.of_admin(req.context, 'volume_type.update') as payload:
        types_db.update(req.context, type_id, changes)
        changed = types_db.get(req.context, type_id)
        payload['volume_types'] = notices.type_of('volume_types', changed)
    return view.UPDATED.one(req, changed)


@wsgi.response(202)
def delete(req: wsgi.Request, type_id: str) -> None:
    req.context.authorize(policy.DELETE)
    with notices.of_admin(req.context, 'volume_type.delete', volume_types=lambda: notices.type_of(
            'volume_types', types_db.get(req.context, type_id))):
        types_db.destroy(req.context, type_id)
