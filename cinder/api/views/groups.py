# SPDX-License-Identifier: Apache-2.0
"""Responses about groups, and about consistency groups in the legacy form."""
from collections.abc import Mapping, Sequence
from typing import Any

from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.api.views.base import OMIT, Field, View
from cinder.policies import groups as policy


def _volumes(_req: wsgi.Request, row: Mapping) -> Any:
    """Return the ids of the volumes, which are only read if the request asks for them."""
    return row.get('volumes', OMIT)


_BRIEF = [Field('id'), Field('name')]
_COMMON = [
    *_BRIEF,
    Field('status'),
    Field('availability_zone'),
    Field('created_at'),
    Field('description'),
    Field('volume_types'),
]
_DETAIL = [
    *_COMMON,
    Field('group_type', 'group_type_id'),
    Field('group_snapshot_id', since=mv.GROUP_SNAPSHOTS),
    Field('source_group_id', since=mv.GROUP_SNAPSHOTS),
    Field('volumes', _volumes, since=mv.GROUP_VOLUMES),
    Field('replication_status', since=mv.GROUP_REPLICATION),
    Field('project_id', since=mv.GROUP_PROJECT, policy=policy.SEE_PROJECT),
]

SUMMARY = View('group', 'groups', _BRIEF, 'group_links')
DETAIL = View('group', 'groups', _DETAIL, 'group_links')
LEGACY_SUMMARY = View('consistencygroup', 'consistencygroups', _BRIEF, 'consistencygroup_links')
LEGACY_DETAIL = View('consistencygroup', 'consistencygroups', _COMMON, 'consistencygroup_links')
# Administrators see the fields of the driver too.
REPLICATION_TARGETS = shapes.wrap('replication_targets', shapes.items({
    'type': 'object', 'properties': {'backend_id': shapes.TEXT}, 'required': ['backend_id']}))


def replication_targets(req: wsgi.Request, targets: Sequence[Mapping]) -> dict[str, Any]:
    """Return the storages that have copies; only an administrator sees more than their ids."""
    shown = targets if req.context.is_admin else [
        {'backend_id': each['backend_id']} for each in targets]
    return {'replication_targets': [dict(each) for each in shown]}
