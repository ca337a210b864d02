# SPDX-License-Identifier: Apache-2.0
"""Bodies of group snapshots and of the legacy cgsnapshots."""
from cinder.api.schemas import base as s
from cinder.objects import states

_NAME = s.nullable(s.text(0, 255))

CREATE = s.wrap('group_snapshot', s.obj(
    ['group_id'], group_id=s.UUID, name=_NAME,
    description=s.nullable(s.text(0, 255, check='printable'))))
RESET_STATUS = s.wrap('reset_status', s.obj(
    ['status'], status=s.any_case(*states.GROUP_SNAPSHOT_STATUSES)))

LEGACY_CREATE = {**s.wrap('cgsnapshot', s.obj(
    ['consistencygroup_id'], True, consistencygroup_id=s.text(), name=s.OPTIONAL_NAME,
    description=s.OPTIONAL_DESCRIPTION)), 'additionalProperties': True}
