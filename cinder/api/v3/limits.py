# SPDX-License-Identifier: Apache-2.0
"""Handler of the limits of a project, with the used amounts, in the form that dashboards read."""
from typing import Any

from cinder import quota
from cinder.api import converters, wsgi
from cinder.api import microversions as mv
from cinder.api.views import shapes
from cinder.db import quotas as quotas_db
from cinder.policies import limits as policy

# Quota -> name of its limit, name of its used amount.
SHOWN = {
    'volumes': ('maxTotalVolumes', 'totalVolumesUsed'),
    'gigabytes': ('maxTotalVolumeGigabytes', 'totalGigabytesUsed'),
    'snapshots': ('maxTotalSnapshots', 'totalSnapshotsUsed'),
    'backups': ('maxTotalBackups', 'totalBackupsUsed'),
    'backup_gigabytes': ('maxTotalBackupGigabytes', 'totalBackupGigabytesUsed'),
}


@wsgi.query(project_id=(mv.LIMITS_PROJECT, converters.text),
            tenant_id=(mv.LIMITS_PROJECT, converters.text))
@wsgi.response(200, shapes.wrap('limits', shapes.record(
    rate=shapes.items(shapes.OBJECT), absolute=shapes.NUMBERS)))
def index(req: wsgi.Request) -> dict[str, Any]:
    ctxt = req.context
    project_id = ctxt.project_id
    if ctxt.is_admin:
        project_id = req.params.get('project_id') or req.params.get('tenant_id') or project_id
    state = quotas_db.limits_and_usage(ctxt, project_id, tuple(SHOWN))
    absolute = {limit: quota.effective(state, name) for name, (limit, _used) in SHOWN.items()}
    if ctxt.can(policy.USED):
        absolute.update((used, state.usage.get(name, 0))
                        for name, (_limit, used) in SHOWN.items())
    return {'limits': {'rate': [], 'absolute': absolute}}
