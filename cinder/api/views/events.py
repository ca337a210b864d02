# SPDX-License-Identifier: Apache-2.0
"""Events as JSON documents, JSON lines and Server-Sent Events; what tenants see of a resource."""
from typing import Any

from cinder.api import wsgi
from cinder.api.views import shapes

JSON, LINES, STREAM = wsgi.JSON, 'application/x-ndjson', 'text/event-stream'
POSITION = 'OpenStack-Event-Position'
# A comment, which keeps the connection alive.
COMMENT = b':\n\n'
# Column -> name in responses; other columns keep their names.
_NAMES = {'display_name': 'name', 'display_description': 'description', 'use_quota':
          'consumes_quota', 'glance_metadata': 'volume_image_metadata', 'instance_uuid': 'instance',
          'attach_time': 'attached_at', 'detach_time': 'detached_at', 'data_timestamp':
          'data_timestamp', 'volume_size': 'size'}
_ALWAYS = ('id', 'project_id', 'user_id', 'created_at', 'updated_at', 'deleted_at', 'status',
           'display_name', 'display_description', 'metadata', 'glance_metadata')
# Columns that tenants see; operators see all that are recorded.
_VISIBLE = {kind: frozenset((*_ALWAYS, *names.split())) for kind, names in {
    'volume': 'size attach_status availability_zone volume_type_id snapshot_id source_volid '
              'group_id bootable multiattach replication_status encryption_key_id use_quota',
    'snapshot': 'volume_id volume_size progress group_snapshot_id use_quota',
    'backup': 'volume_id snapshot_id parent_id size fail_reason availability_zone container '
              'object_count data_timestamp restore_volume_id encryption_key_id',
    'group': 'name description availability_zone group_type_id group_snapshot_id '
             'source_group_id replication_status',
    'group_snapshot': 'name description group_id group_type_id',
    'attachment': 'volume_id instance_uuid attach_status attach_mode attach_time detach_time',
    'transfer': 'volume_id expires_at no_snapshots source_project_id destination_project_id '
                'accepted',
}.items()}

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
