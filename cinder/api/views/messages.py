# SPDX-License-Identifier: Apache-2.0
"""Responses about user messages."""
from collections.abc import Callable, Mapping

from cinder.api import wsgi
from cinder.api.views.base import OMIT, Field, View, links
from cinder.policies import messages as policy


def _known(column: str) -> Callable:
    def get(_req: wsgi.Request, row: Mapping) -> object:
        return OMIT if row[column] is None else row[column]
    return get


def _operator_detail(req: wsgi.Request, row: Mapping) -> object:
    """Return the field if the request asks for it, which clients of the original do not."""
    wanted = req.params.get('operator_detail', False)
    return row['operator_detail'] if wanted and row['operator_detail'] is not None else OMIT


VIEW = View('message', 'messages', [
    Field('id'),
    Field('event_id'),
    Field('user_message'),
    Field('message_level'),
    Field('created_at'),
    Field('guaranteed_until', 'expires_at'),
    Field('request_id'),
    Field('links', links('messages')),
    Field('resource_type', _known('resource_type')),
    Field('resource_uuid', _known('resource_uuid')),
    # Why each pool was refused; an extension of the API.
    Field('operator_detail', _operator_detail, policy=policy.OPERATOR_DETAIL),
], 'messages_links')
