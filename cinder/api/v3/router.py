# SPDX-License-Identifier: Apache-2.0
"""Every URL of the API and the handler behind it. Read a resource's file for what it does.

Each path exists with and without `/{project_id}` in front, and with `.json` appended.
"""
from cinder.api import dispatch, wsgi
from cinder.api.v3 import (
    attachments,
    snapshot_actions,
    snapshot_metadata,
    snapshots,
    volume_actions,
    volume_metadata,
    volumes,
)

ROUTES = {
    '/volumes': {'GET': volumes.index, 'POST': volumes.create},
    '/volumes/detail': {'GET': volumes.detail},
    '/volumes/summary': {'GET': volumes.summary},
    '/volumes/{volume_id}': {'GET': volumes.show, 'PUT': volumes.update,
                             'DELETE': volumes.delete},
    '/volumes/{volume_id}/action': {'POST': wsgi.Actions(volume_actions.ACTIONS)},
    '/volumes/{volume_id}/metadata': {
        'GET': volume_metadata.index, 'POST': volume_metadata.merge,
        'PUT': volume_metadata.replace},
    '/volumes/{volume_id}/metadata/{key}': {
        'GET': volume_metadata.show, 'PUT': volume_metadata.update,
        'DELETE': volume_metadata.delete},

    '/snapshots': {'GET': snapshots.index, 'POST': snapshots.create},
    '/snapshots/detail': {'GET': snapshots.detail},
    '/snapshots/{snapshot_id}': {'GET': snapshots.show, 'PUT': snapshots.update,
                                 'DELETE': snapshots.delete},
    '/snapshots/{snapshot_id}/action': {'POST': wsgi.Actions(snapshot_actions.ACTIONS)},
    '/snapshots/{snapshot_id}/metadata': {
        'GET': snapshot_metadata.index, 'POST': snapshot_metadata.merge,
        'PUT': snapshot_metadata.replace},
    '/snapshots/{snapshot_id}/metadata/{key}': {
        'GET': snapshot_metadata.show, 'PUT': snapshot_metadata.update,
        'DELETE': snapshot_metadata.delete},

    '/attachments': {'GET': attachments.index, 'POST': attachments.create},
    '/attachments/detail': {'GET': attachments.detail},
    '/attachments/{attachment_id}': {'GET': attachments.show, 'PUT': attachments.update,
                                     'DELETE': attachments.delete},
    '/attachments/{attachment_id}/action': {'POST': wsgi.Actions(attachments.ACTIONS)},
}


class APIRouter(dispatch.Application):
    """The application that the paste file names."""

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'APIRouter':
        return cls(ROUTES)
