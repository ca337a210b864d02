# SPDX-License-Identifier: Apache-2.0
"""Responses about backups."""
from collections.abc import Mapping

from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.api.views.base import OMIT, Field, View, links
from cinder.policies import backups as policy


def _incremental(_req: wsgi.Request, row: Mapping) -> bool:
    return row['parent_id'] is not None


def _key(_req: wsgi.Request, row: Mapping) -> object:
    """Return the key id; the field is omitted for backups without a key."""
    return row['encryption_key_id'] or OMIT


_FIELDS = [
    Field('id'),
    Field('name', 'display_name'),
    Field('links', links('backups')),
]
_DETAILS = [
    Field('status'),
    Field('size'),
    Field('object_count'),
    Field('availability_zone'),
    Field('container'),
    Field('created_at'),
    Field('updated_at'),
    Field('description', 'display_description'),
    Field('fail_reason'),
    Field('volume_id'),
    Field('is_incremental', _incremental),
    Field('has_dependent_backups', 'has_dependents'),
    Field('snapshot_id'),
    Field('data_timestamp'),
    Field('os-backup-project-attr:project_id', 'project_id', since=mv.BACKUP_PROJECT,
          policy=policy.SEE_PROJECT),
    Field('metadata', since=mv.BACKUP_METADATA),
    Field('user_id', since=mv.BACKUP_USER, policy=policy.SEE_PROJECT),
    Field('encryption_key_id', _key, since=mv.ENCRYPTION_KEY_ID),
]

SUMMARY = View('backup', 'backups', _FIELDS, 'backups_links')
DETAIL = View('backup', 'backups', _FIELDS + _DETAILS, 'backups_links')
RESTORE = shapes.wrap('restore', shapes.record('backup_id', 'volume_id', 'volume_name'))
RECORD = shapes.wrap('backup-record', shapes.record('backup_service', 'backup_url'))
