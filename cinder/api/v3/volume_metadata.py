# SPDX-License-Identifier: Apache-2.0
"""Handlers of /volumes/{volume_id}/metadata, and of the actions on image metadata."""
import hashlib
from collections.abc import Callable
from typing import Any

import webob

from cinder import exception, objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas import volume_actions as action_schema
from cinder.api.schemas import volume_metadata as schema
from cinder.api.views import shapes
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import volume_actions as action_policy
from cinder.policies import volume_metadata as policy
from cinder.volume.api import volumes


def _body(metadata: dict[str, str]) -> bytes:
    """Serialize the metadata for the response and its etag; equal data gives equal bytes."""
    return wsgi.dumps({'metadata': dict(sorted(metadata.items()))})


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS), media=wsgi.HTML)
def index(req: wsgi.Request, volume_id: str) -> webob.Response:
    row = volumes_db.get_row(req.context, volume_id)
    req.context.authorize(policy.GET, row)
    body = _body(row['metadata'])
    if req.api_version < mv.METADATA_ETAG:
        return webob.Response(body, content_type=wsgi.JSON)
    return webob.Response(body, headerlist=[('Content-Type', wsgi.HTML), ('Etag', _etag(body))])


@wsgi.response(200, shapes.wrap('meta', shapes.TEXTS))
def show(req: wsgi.Request, volume_id: str, key: str) -> dict[str, Any]:
    row = volumes_db.get_row(req.context, volume_id)
    req.context.authorize(policy.GET, row)
    if key not in row['metadata']:
        raise exception.VolumeMetadataNotFound(volume_id=volume_id, metadata_key=key)
    return {'meta': {key: row['metadata'][key]}}


@wsgi.body(schema.ALL, key='metadata')
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def merge(req: wsgi.Request, volume_id: str, body: dict[str, str]) -> dict[str, Any]:
    volume = _load(req, volume_id, policy.CREATE)
    return {'metadata': volumes.set_metadata(req.context, volume, body)}


@wsgi.body(schema.ALL, key='metadata')
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
@wsgi.errors(412)
def replace(req: wsgi.Request, volume_id: str, body: dict[str, str]) -> dict[str, Any]:
    volume = _load(req, volume_id, policy.UPDATE)
    return {'metadata': volumes.set_metadata(req.context, volume, body, replace=True,
                                             matches=_if_match(req))}


@wsgi.body(schema.ONE, key='meta')
@wsgi.response(200, shapes.wrap('meta', shapes.TEXTS))
@wsgi.errors(412)
def update(req: wsgi.Request, volume_id: str, key: str, body: dict[str, str]) -> dict[str, Any]:
    if key not in body:
        raise exception.InvalidInput(reason=_('the body must have exactly the key of the URL'))
    volume = _load(req, volume_id, policy.UPDATE)
    volumes.set_metadata(req.context, volume, body, matches=_if_match(req))
    return {'meta': body}


def delete(req: wsgi.Request, volume_id: str, key: str) -> None:
    volume = _load(req, volume_id, policy.DELETE)
    volumes.delete_metadata(req.context, volume, key)


def _load(req: wsgi.Request, volume_id: str, rule: str) -> objects.Volume:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(rule, volume)
    return volume


def _if_match(req: wsgi.Request) -> Callable[[dict], bool] | None:
    """Return the check of the If-Match header for metadata; None without the header."""
    wanted = req.headers.get('If-Match')
    if wanted is None or req.api_version < mv.METADATA_ETAG:
        return None
    tags = {tag.strip().removeprefix('W/').strip('"') for tag in wanted.split(',')}
    return lambda metadata: '*' in tags or _etag(_body(metadata)) in tags


# -------------------------------------------------------------------------------- image metadata
@wsgi.body(action_schema.SET_IMAGE_METADATA, key='os-set_image_metadata')
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def set_image_metadata(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> dict[str, Any]:
    volume = _load(req, volume_id, action_policy.SET_IMAGE_METADATA)
    return {'metadata': volumes_db.set_glance_metadata(req.context, volume.id, body['metadata'])}


@wsgi.body(action_schema.any_body('os-show_image_metadata'))
@wsgi.response(200, shapes.wrap('metadata', shapes.TEXTS))
def show_image_metadata(req: wsgi.Request, volume_id: str, body: object) -> dict[str, Any]:
    row = volumes_db.get_row(req.context, volume_id)
    req.context.authorize(policy.GET, row)
    return {'metadata': row['glance_metadata']}


@wsgi.body(action_schema.UNSET_IMAGE_METADATA, key='os-unset_image_metadata')
def unset_image_metadata(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = _load(req, volume_id, action_policy.REMOVE_IMAGE_METADATA)
    volumes_db.delete_glance_metadata(req.context, volume.id, body['key'])


ACTIONS = {
    'os-set_image_metadata': set_image_metadata,
    'os-show_image_metadata': show_image_metadata,
    'os-unset_image_metadata': unset_image_metadata,
}
