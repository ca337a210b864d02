# SPDX-License-Identifier: Apache-2.0
"""Responses about group snapshots, and about cgsnapshots in the legacy form."""
from cinder.api import microversions as mv
from cinder.api.views.base import Field, View
from cinder.policies import group_snapshots as policy

_BRIEF = [Field('id'), Field('name')]
_TYPE = Field('group_type_id')
_COMMON = [*_BRIEF, Field('status'), Field('created_at'), Field('description')]

SUMMARY = View('group_snapshot', 'group_snapshots', _BRIEF, 'group_snapshot_links')
CREATED = View('group_snapshot', 'group_snapshots', [*_BRIEF, _TYPE])
DETAIL = View('group_snapshot', 'group_snapshots', [
    *_COMMON,
    Field('group_id'),
    _TYPE,
    Field('project_id', since=mv.GROUP_PROJECT, policy=policy.SEE_PROJECT),
], 'group_snapshot_links')
LEGACY_SUMMARY = View('cgsnapshot', 'cgsnapshots', _BRIEF)
LEGACY_DETAIL = View('cgsnapshot', 'cgsnapshots', [
    *_COMMON, Field('consistencygroup_id', 'group_id')])
