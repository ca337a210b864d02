# SPDX-License-Identifier: Apache-2.0
"""Responses about snapshots."""
from cinder.api import microversions as mv
from cinder.api.views.base import Field, View
from cinder.policies import snapshots as policy

_FIELDS = [
    Field('id'),
    Field('created_at'),
    Field('updated_at'),
    Field('name', 'display_name'),
    Field('description', 'display_description'),
    Field('volume_id'),
    Field('status'),
    Field('size', 'volume_size'),
    Field('metadata'),
]
_DETAILS = [
    Field('group_snapshot_id', since=mv.GROUP_SNAPSHOTS),
    Field('user_id', since=mv.SNAPSHOT_USER),
    Field('consumes_quota', 'use_quota', since=mv.CONSUMES_QUOTA),
]
_SHOW_ONLY = [
    Field('os-extended-snapshot-attributes:project_id', 'project_id', policy=policy.SEE_EXTENDED),
    Field('os-extended-snapshot-attributes:progress', 'progress', policy=policy.SEE_EXTENDED),
]

SUMMARY = View('snapshot', 'snapshots', _FIELDS, 'snapshots_links')
CHANGED = View('snapshot', 'snapshots', _FIELDS + _DETAILS)
DETAIL = View('snapshot', 'snapshots', _FIELDS + _DETAILS + _SHOW_ONLY, 'snapshots_links')
