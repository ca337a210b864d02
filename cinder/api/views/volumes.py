# SPDX-License-Identifier: Apache-2.0
"""Responses about volumes: the short list, the details, the summary."""
from collections.abc import Mapping, Sequence
from typing import Any

from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas.base import nullable
from cinder.api.views import shapes, types
from cinder.api.views.base import ADMIN, OMIT, Field, View, links
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.objects import Volume
from cinder.policies import volumes as policy

# Statuses of a managed volume that are shown as other statuses, because clients do not know them.
_SHOWN_STATUS = {'managing': 'creating', 'error_managing': 'error',
                 'error_managing_deleting': 'deleting'}
_SHOWN_ADMIN_METADATA = ('readonly', 'attached_mode')


def _status(_req: wsgi.Request, row: Mapping) -> str:
    status = row['status']
    return _SHOWN_STATUS.get(status, status)


def _bootable(_req: wsgi.Request, row: Mapping) -> str:
    return 'true' if row['bootable'] else 'false'


def _metadata(_req: wsgi.Request, row: Mapping) -> dict[str, str]:
    admin = row['admin_metadata']
    if not admin:
        return row['metadata']
    return row['metadata'] | {key: admin[key] for key in _SHOWN_ADMIN_METADATA if key in admin}


def _attachments(req: wsgi.Request, row: Mapping) -> Sequence[dict[str, Any]]:
    if not row['attachments']:
        return ()
    ctxt = req.context
    sees_host = ctxt.is_admin or 'service' in ctxt.roles
    return [{
        'id': entry['volume_id'],
        'attachment_id': entry['id'],
        'volume_id': entry['volume_id'],
        'server_id': entry['instance_uuid'],
        'host_name': entry['attached_host'] if sees_host else None,
        'device': entry['mountpoint'],
        'attached_at': entry['attach_time'],
    } for entry in row['attachments'] if entry['attach_status'] == 'attached']


def _targets_known(_req: wsgi.Request, row: Mapping) -> bool:
    return row['shared_targets'] is not False


def _key_id(_req: wsgi.Request, row: Mapping) -> object:
    key = row['encryption_key_id']
    return key if key and key != FIXED_KEY_ID else OMIT


def _image_metadata(_req: wsgi.Request, row: Mapping) -> object:
    return row['glance_metadata'] or OMIT


_ATTACHMENT = shapes.record(
    'id', 'attachment_id', 'volume_id', 'server_id', 'host_name', 'device',
    attached_at=nullable(shapes.TIME))
_LINKS = Field('links', links('volumes'))
_FIELDS = [
    Field('id'),
    Field('status', _status),
    Field('size'),
    Field('availability_zone'),
    Field('created_at'),
    Field('updated_at'),
    Field('name', 'display_name'),
    Field('description', 'display_description'),
    Field('volume_type', 'type_name'),
    Field('snapshot_id'),
    Field('source_volid'),
    _LINKS,
    Field('user_id'),
    Field('bootable', _bootable),
    Field('encrypted'),
    Field('replication_status'),
    Field('consistencygroup_id'),
    Field('multiattach'),
    Field('attachments', _attachments, type=shapes.items(_ATTACHMENT)),
    Field('migration_status', policy=ADMIN),
    Field('group_id', since=mv.GROUPS),
    Field('provider_id', since=mv.PROVIDER_ID, policy=ADMIN),
    Field('shared_targets', _targets_known, since=mv.SHARED_TARGETS,
          until=mv.SHARED_TARGETS_NULL - 1),
    Field('shared_targets', since=mv.SHARED_TARGETS_NULL),
    Field('service_uuid', since=mv.SHARED_TARGETS),
    Field('cluster_name', since=mv.CLUSTER_NAME, policy=ADMIN),
    Field('volume_type_id', since=mv.VOLUME_TYPE_ID),
    Field('encryption_key_id', _key_id, since=mv.ENCRYPTION_KEY_ID),
    Field('consumes_quota', 'use_quota', since=mv.CONSUMES_QUOTA),
]
_SHOW_ONLY = [
    Field('metadata', _metadata),
    Field('os-vol-tenant-attr:tenant_id', 'project_id', policy=policy.SEE_TENANT),
    Field('os-vol-mig-status-attr:migstat', 'migration_status', policy=policy.SEE_MIGRATION),
    Field('os-vol-mig-status-attr:name_id', 'name_id', policy=policy.SEE_MIGRATION),
    Field('os-vol-host-attr:host', 'host', policy=policy.SEE_HOST),
    Field('volume_image_metadata', _image_metadata, policy=policy.SEE_IMAGE_METADATA),
]

SUMMARY = View('volume', 'volumes', [Field('id'), Field('name', 'display_name'), _LINKS],
               'volumes_links')
DETAIL = View('volume', 'volumes', _FIELDS + _SHOW_ONLY, 'volumes_links')
CHANGED = View('volume', 'volumes', [*_FIELDS, Field('metadata')])


_COUNTS = shapes.record('total_count', 'total_size')
TOTALS = [
    (mv.VOLUME_SUMMARY, shapes.wrap('volume-summary', _COUNTS)),
    (mv.SUMMARY_METADATA, shapes.wrap('volume-summary', shapes.record(
        'total_count', 'total_size', metadata={
            'type': 'object', 'additionalProperties': shapes.items(shapes.TEXT)}))),
]

# Fields of the image in the response of an upload; `volume_type` is the whole type here.
_IMAGE = shapes.record(
    'id', 'updated_at', 'status', 'display_description', 'size', 'image_id', 'container_format',
    'disk_format', 'image_name', volume_type=nullable(shapes.OBJECT))
_UPLOADED = {**_IMAGE, 'properties': {
    **_IMAGE['properties'], 'protected': shapes.BOOLEAN, 'visibility': shapes.TEXT,
    'is_public': shapes.BOOLEAN}}
UPLOADED = shapes.wrap('os-volume_upload_image', _UPLOADED)


def render_changed(req: wsgi.Request, volume: Volume) -> dict[str, Any]:
    """Return the response of create and update, for the object from cinder.volume.api."""
    row = {name: volume.get(name) for name in volume.fields}
    volume_type = row['volume_type']
    row['type_name'] = volume_type.name if volume_type else None
    row['encrypted'] = volume.encrypted or bool(volume_type and volume_type.encryption)
    row['metadata'] = row['metadata'] or {}
    return CHANGED.one(req, row)


def render_uploaded(req: wsgi.Request, volume: Volume, image: dict[str, Any]) -> dict[str, Any]:
    """Return the response of os-volume_upload_image.

    :param image: the image as the image service returns it.
    """
    shown = {name: volume.get(name)
             for name in ('id', 'updated_at', 'status', 'display_description', 'size')}
    shown['volume_type'] = (types.DEFAULT.one(req, volume.volume_type)['volume_type']
                            if volume.volume_type else None)
    shown |= {'image_id': image['id'], 'image_name': image['name'],
              'container_format': image['container_format'], 'disk_format': image['disk_format']}
    if req.api_version >= mv.UPLOAD_IMAGE_PARAMS:
        shown |= {'visibility': image['visibility'], 'protected': image['protected']}
    return {'os-volume_upload_image': shown}


def render_summary(req: wsgi.Request, found: dict[str, Any]) -> dict[str, Any]:
    """Return the response of GET /volumes/summary.

    :param found: total_count, total_size (GiB) and metadata: key -> distinct values.
    """
    if req.api_version < mv.SUMMARY_METADATA:
        found = {key: value for key, value in found.items() if key != 'metadata'}
    return {'volume-summary': found}
