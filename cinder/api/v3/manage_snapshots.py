# SPDX-License-Identifier: Apache-2.0
"""Handlers of /manageable_snapshots, of its legacy URL /os-snapshot-manage, and of os-unmanage."""
from typing import Any

from cinder.api import wsgi
from cinder.api.schemas import manageable as schema
from cinder.api.schemas import volume_actions as action_schema
from cinder.api.schemas.base import normalize_uuid
from cinder.api.v3 import manageable
from cinder.api.views import manage_snapshots as view
from cinder.api.views import snapshots as snapshot_view
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.policies import manage_snapshots as policy
from cinder.volume.api import manage_snapshots

legacy_index, legacy_detail, index, detail = manageable.list_handlers(
    policy.LIST, manage_snapshots.list_manageable, view)


def _manage(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    volume = volumes_db.get(req.context, normalize_uuid(body['volume_id']))
    req.context.authorize(policy.MANAGE, volume)
    snapshot = manage_snapshots.manage(
        req.context, volume, reference=manageable.get_reference(body), name=body.get('name'),
        description=body.get('description'), metadata=body.get('metadata'))
    return snapshot_view.CHANGED.one(req, snapshot)


legacy_manage, manage = manageable.manage_handlers(_manage, schema.SNAPSHOT, 'snapshot',
                                                   snapshot_view.CHANGED.one)


@wsgi.body(action_schema.any_body('os-unmanage'))
@wsgi.response(202)
def unmanage(req: wsgi.Request, snapshot_id: str, body: object) -> None:
    snapshot = snapshots_db.get(req.context, snapshot_id)
    req.context.authorize(policy.UNMANAGE, snapshot)
    manage_snapshots.unmanage(req.context, snapshot)


ACTIONS = {'os-unmanage': unmanage}
