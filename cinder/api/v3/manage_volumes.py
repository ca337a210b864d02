# SPDX-License-Identifier: Apache-2.0
"""Handlers of /manageable_volumes, of its legacy URL /os-volume-manage, and of os-unmanage."""
from typing import Any

from cinder import exception, objects
from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas import manageable as schema
from cinder.api.schemas import volume_actions as action_schema
from cinder.api.schemas.base import boolean
from cinder.api.v3 import manageable
from cinder.api.views import manage_volumes as view
from cinder.api.views import volumes as volume_view
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.policies import manage_volumes as policy
from cinder.volume.api import manage_volumes

legacy_index, legacy_detail, index, detail = manageable.list_handlers(
    policy.LIST, manage_volumes.list_manageable, view)


def _manage(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    ctxt.authorize(policy.MANAGE)
    volume = manage_volumes.manage(
        ctxt, reference=manageable.get_reference(body),
        **manageable.host_or_cluster(body, req.api_version >= mv.MIGRATE_TO_CLUSTER),
        name=body.get('name'), description=body.get('description'),
        volume_type=_type(req, body.get('volume_type')), metadata=body.get('metadata'),
        availability_zone=body.get('availability_zone'),
        bootable=boolean(body.get('bootable', False)))
    return volume_view.render_changed(req, volume)


legacy_manage, manage = manageable.manage_handlers(_manage, schema.VOLUME, 'volume',
                                                   volume_view.CHANGED.one)


def _type(req: wsgi.Request, name: str | None) -> objects.VolumeType | None:
    if not name:
        return None
    try:
        return types_db.get_by_name_or_id(req.context, name)
    except exception.VolumeTypeNotFound as exc:
        raise exception.InvalidVolumeType(reason=exc.msg) from None


@wsgi.body(action_schema.any_body('os-unmanage'))
@wsgi.response(202)
def unmanage(req: wsgi.Request, volume_id: str, body: object) -> None:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(policy.UNMANAGE, volume)
    manage_volumes.unmanage(req.context, volume)


ACTIONS = {'os-unmanage': unmanage}
