# SPDX-License-Identifier: Apache-2.0
"""Handlers of the encryption metadata of a volume, with which the compute service decrypts it."""
from typing import Any

import webob

from cinder import exception
from cinder.api import wsgi
from cinder.api.views import shapes
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import volume_encryption as policy
from cinder.volume.api import encryption

_SETTINGS = ('cipher', 'key_size', 'control_location', 'provider')
_SHAPE = shapes.parts(shapes.record('encryption_key_id', *_SETTINGS))


@wsgi.response(200, _SHAPE)
def index(req: wsgi.Request, volume_id: str) -> dict[str, Any]:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(policy.GET, volume)
    if volume.encrypted:
        encryption.delete_unused(req.context)
    facts = {'encryption_key_id': volume.encryption_key_id}
    settings = volume.volume_type.encryption if volume.volume_type else None
    return facts | {name: settings[name] for name in _SETTINGS} if settings else facts


@wsgi.response(200, shapes.ANYTHING)
def show(req: wsgi.Request, volume_id: str, key: str) -> webob.Response:
    facts = index(req, volume_id)
    if key not in facts:
        raise exception.NotFound(_('Volume %(id)s has no encryption metadata %(key)s.')
                                 % {'id': volume_id, 'key': key})
    return webob.Response(wsgi.dumps(facts[key]), content_type=wsgi.JSON)
