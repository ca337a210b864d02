# SPDX-License-Identifier: Apache-2.0
"""Handlers of user messages, which explain failures."""
from typing import Any

from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.views import messages as view
from cinder.db import messages as messages_db
from cinder.policies import messages as policy

LIST = listings.Listing(
    'message', sorts=('id', 'event_id', 'resource_uuid', 'resource_type', 'request_id',
                      'message_level', 'created_at', 'guaranteed_until'),
    filters={name: listings.Filter(since=mv.MESSAGES_PAGINATION) for name in (
        'resource_uuid', 'resource_type', 'event_id', 'request_id', 'message_level')},
    paged_since=mv.MESSAGES_PAGINATION, flags=('operator_detail',))


@wsgi.versions(mv.MESSAGES)
@wsgi.listing(LIST)
@wsgi.query(operator_detail=converters.boolean)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    return view.VIEW.page(req, LIST.fetch(req, messages_db.list_rows))


@wsgi.versions(mv.MESSAGES)
@wsgi.query(operator_detail=converters.boolean)
@wsgi.response(200, view.VIEW.one)
def show(req: wsgi.Request, message_id: str) -> dict[str, Any]:
    message = messages_db.get(req.context, message_id)
    req.context.authorize(policy.GET, message)
    return view.VIEW.one(req, message)


@wsgi.versions(mv.MESSAGES)
@wsgi.response(204)
def delete(req: wsgi.Request, message_id: str) -> None:
    message = messages_db.get(req.context, message_id)
    req.context.authorize(policy.DELETE, {**message, 'user_id': req.context.user_id})
    messages_db.destroy(req.context, message_id)
