# SPDX-License-Identifier: Apache-2.0
"""Events as JSON documents, JSON lines and Server-Sent Events; what tenants see of a resource."""
from typing import Any

from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.db import recording

JSON, LINES, STREAM = wsgi.JSON, 'application/x-ndjson', 'text/event-stream'
POSITION = 'OpenStack-Event-Position'
# A comment, which keeps the connection alive.
COMMENT = b':\n\n'
# Column -> name in responses; other columns keep their names.
_NAMES = {'display_name': 'name', 'display_description': 'description', 'use_quota':
          'consumes_quota', 'glance_metadata': 'volume_image_metadata', 'instance_uuid': 'instance',
          'attach_time': 'attached_at', 'detach_time': 'detached_at', 'data_timestamp':
          'data_timestamp', 'volume_size': 'size'}
# Type of a resource -> columns that tenants see; operators see all that are recorded.
_VISIBLE = {each.name: each.visible for each in recording.RECORDED.values()}

SHAPE = shapes.OBJECT


def names_of(kind: str, columns: Any, internal: bool) -> list[str]:
    """Return the names of the visible ones among the columns of a type of resource.

    :param internal: also what only operators see.
    """
    return [_NAMES.get(column, column) for column in columns
            if internal or column in _VISIBLE[kind]]


def event(found: dict, internal: bool) -> dict[str, Any]:
    """Return an event as a JSON object.

    :param internal: with what only operators see.
    """
    kind, body = found['resource_type'], found['body']
    shown = {'id': found['position'], 'time': found['created_at'], 'resource_type': kind,
             'resource_id': found['resource_id'], 'kind': found['kind'],
             'project_id': found['project_id'], 'request_id': found['request_id'],
             'changed': names_of(kind, found['changed'], internal),
             'resource': {_NAMES.get(column, column): value for column, value in body.items()
                          if internal or column in _VISIBLE[kind]}}
    return {**shown, 'user_id': found['user_id']} if internal else shown


def piece(found: dict, internal: bool, media: str) -> bytes:
    """Return a line of JSON or a Server-Sent Event; rendered once for all readers."""
    key = f'rendered {internal} {media}'
    if key not in found:
        text = wsgi.dumps(event(found, internal))
        found[key] = text + b'\n' if media == LINES else (
            b'id: %d\nevent: %s.%s\ndata: %s\n\n' % (
                found['position'], found['resource_type'].encode(), found['kind'].encode(), text))
    return found[key]


def document(events: list[dict], position: int, internal: bool) -> bytes:
    """Return a JSON document with some events.

    :param position: where to go on reading.
    """
    return wsgi.dumps({'events': [event(each, internal) for each in events],
                       'position': position})
