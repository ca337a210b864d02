# SPDX-License-Identifier: Apache-2.0
"""Bodies of POST /snapshots/{id}/action, by action key."""
from cinder.api.schemas import base
from cinder.objects import states

RESET_STATUS = base.wrap('os-reset_status', base.obj(
    ['status'], status=base.any_case(*states.SNAPSHOT_STATUSES)))
FORCE_DELETE = base.wrap('os-force_delete', base.ANYTHING)
UPDATE_STATUS = base.wrap('os-update_snapshot_status', base.obj(
    ['status'], status=base.text(),
    progress={'type': ['string', 'null'], 'pattern': r'^((100|[0-9]{1,2})%)?\Z'}))
