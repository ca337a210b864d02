# SPDX-License-Identifier: Apache-2.0
"""Handlers of /snapshots/{snapshot_id}/metadata."""
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.schemas import snapshots as schema
from cinder.api.v3.snapshots import load
from cinder.api.views import shapes
from cinder.db import snapshots as snapshots_db
from cinder.i18n import _
from cinder.policies import snapshots as policy
from cinder.volume.api import snapshots


@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def index(req: wsgi.Request, snapshot_id: str) -> dict[str, Any]:
    return {'metadata': _read(req, snapshot_id)}


@wsgi.response(200, shapes.wrap('meta', shapes.TEXTS))
def show(req: wsgi.Request, snapshot_id: str, key: str) -> dict[str, Any]:
    metadata = _read(req, snapshot_id)
    if key not in metadata:
        raise exception.SnapshotMetadataNotFound(snapshot_id=snapshot_id, metadata_key=key)
    return {'meta': {key: metadata[key]}}


@wsgi.body(schema.METADATA, key='metadata')
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def merge(req: wsgi.Request, snapshot_id: str, body: dict[str, str]) -> dict[str, Any]:
    snapshot = load(req, snapshot_id, policy.UPDATE_METADATA)
    return {'metadata': snapshots.set_metadata(req.context, snapshot, body)}


@wsgi.body(schema.METADATA, key='metadata')
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def replace(req: wsgi.Request, snapshot_id: str, body: dict[str, str]) -> dict[str, Any]:
    snapshot = load(req, snapshot_id, policy.UPDATE_METADATA)
    return {'metadata': snapshots.set_metadata(req.context, snapshot, body, replace=True)}


@wsgi.body(schema.META, key='meta')
@wsgi.response(200, shapes.wrap('meta', shapes.TEXTS))
def update(req: wsgi.Request, snapshot_id: str, key: str,
           body: dict[str, str]) -> dict[str, Any]:
    if key not in body:
        raise exception.InvalidInput(reason=_('the body must have exactly the key of the URL'))
    snapshot = load(req, snapshot_id, policy.UPDATE_METADATA)
    snapshots.set_metadata(req.context, snapshot, body)
    return {'meta': body}


def delete(req: wsgi.Request, snapshot_id: str, key: str) -> None:
    snapshot = load(req, snapshot_id, policy.DELETE_METADATA)
    snapshots.delete_metadata(req.context, snapshot, key)


def _read(req: wsgi.Request, snapshot_id: str) -> dict[str, str]:
    row = snapshots_db.get_row(req.context, snapshot_id)
    req.context.authorize(policy.GET_METADATA, row)
    return row['metadata']
