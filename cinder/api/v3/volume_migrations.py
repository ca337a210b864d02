# SPDX-License-Identifier: Apache-2.0
"""Handlers of the volume actions for migration."""
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.schemas import volume_actions as schema
from cinder.api.schemas.base import boolean, normalize_uuid
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.policies import volume_actions as policy
from cinder.volume.api import volume_migrations


@wsgi.body(schema.MIGRATE, key='os-migrate_volume')
@wsgi.response(202)
def migrate(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> None:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(policy.MIGRATE, volume)
    host, cluster = body.get('host'), body.get('cluster')
    if bool(host) == bool(cluster):
        raise exception.InvalidInput(reason=_('expected exactly one of host and cluster'))
    volume_migrations.migrate(
        req.context, volume, host, cluster,
        force_host_copy=boolean(body.get('force_host_copy', False)),
        lock_volume=boolean(body.get('lock_volume', False)))


@wsgi.body(schema.MIGRATE_COMPLETION, key='os-migrate_volume_completion')
@wsgi.response(shape={'type': 'object', 'required': ['save_volume_id'],
                      'properties': {'save_volume_id': {'type': 'string'}}})
def migrate_completion(req: wsgi.Request, volume_id: str, body: dict[str, Any]) -> dict[str, str]:
    volume = volumes_db.get(req.context, volume_id)
    req.context.authorize(policy.MIGRATE_COMPLETION, volume)
    target = volumes_db.get(req.context, normalize_uuid(body['new_volume']))
    return {'save_volume_id': volume_migrations.complete(
        req.context, volume, target, schema.reports_failure(body))}


ACTIONS = {'os-migrate_volume': migrate, 'os-migrate_volume_completion': migrate_completion}
