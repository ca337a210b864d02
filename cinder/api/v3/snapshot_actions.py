# SPDX-License-Identifier: Apache-2.0
"""Handlers of POST /snapshots/{snapshot_id}/action."""
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.schemas import snapshot_actions as schema
from cinder.api.v3 import trash
from cinder.api.v3.snapshots import load
from cinder.policies import snapshots as policy
from cinder.volume.api import snapshots


@wsgi.body(schema.RESET_STATUS, key='os-reset_status')
@wsgi.response(202)
def reset_status(req: wsgi.Request, snapshot_id: str, body: dict[str, Any]) -> None:
    snapshot = load(req, snapshot_id, policy.RESET_STATUS)
    snapshots.reset_status(req.context, snapshot, body['status'].lower())


@wsgi.body(schema.FORCE_DELETE)
@wsgi.response(202)
@wsgi.errors(409)
def force_delete(req: wsgi.Request, snapshot_id: str, body: object) -> None:
    try:
        snapshot = load(req, snapshot_id, policy.FORCE_DELETE)
    except exception.SnapshotNotFound:
        if not trash.purge_by_force(req, snapshot_id, 'snapshot', policy.FORCE_DELETE):
            raise
        return
    snapshots.delete(req.context, snapshot, force=True)


@wsgi.body(schema.UPDATE_STATUS, key='os-update_snapshot_status')
@wsgi.response(202)
def update_status(req: wsgi.Request, snapshot_id: str, body: dict[str, Any]) -> None:
    snapshot = load(req, snapshot_id, policy.UPDATE_STATUS)
    snapshots.update_status(req.context, snapshot, body['status'], body.get('progress'))


ACTIONS = {
    'os-reset_status': reset_status,
    'os-force_delete': force_delete,
    'os-update_snapshot_status': update_status,
}
