# SPDX-License-Identifier: Apache-2.0
"""Handlers of POST /groups/{group_id}/action and of POST /groups/action."""
from collections.abc import Callable
from typing import Any

from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.schemas import base as schema_base
from cinder.api.schemas import groups as schema
from cinder.api.v3.groups import create_from_source, load
from cinder.api.views import groups as view
from cinder.policies import groups as policy
from cinder.volume.api import group_replication, groups


@wsgi.versions(mv.GROUP_SNAPSHOTS)
@wsgi.body(schema.CREATE_FROM_SRC, key='create-from-src')
@wsgi.response(202, view.SUMMARY.one)
def create_from_src(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    made = create_from_source(req, body, body.get('group_snapshot_id'),
                              body.get('source_group_id'))
    return view.SUMMARY.one(req, made)


@wsgi.versions(mv.GROUPS)
@wsgi.body(schema.DELETE, key='delete')
@wsgi.response(202)
def delete(req: wsgi.Request, group_id: str, body: dict[str, Any]) -> None:
    groups.delete(req.context, load(req, group_id, policy.DELETE),
                  delete_volumes=schema_base.boolean(body.get('delete-volumes', False)))


@wsgi.versions(mv.GROUP_RESET)
@wsgi.body(schema.RESET_STATUS, key='reset_status')
@wsgi.response(202)
def reset_status(req: wsgi.Request, group_id: str, body: dict[str, Any]) -> None:
    groups.reset_status(req.context, load(req, group_id, policy.RESET_STATUS),
                        body['status'].lower())


def _replication(verb: str, rule: str, body_schema: schema_base.Schema) -> Callable:
    @wsgi.versions(mv.GROUP_REPLICATION)
    @wsgi.body(body_schema, key=verb)
    @wsgi.response(202)
    def handler(req: wsgi.Request, group_id: str, body: dict[str, Any]) -> None:
        group_replication.replicate(
            req.context, load(req, group_id, rule), verb,
            backend_id=body.get('secondary_backend_id') or None,
            attached=schema_base.boolean(body.get('allow_attached_volume', False)))
    handler.__name__ = handler.__qualname__ = verb
    return handler


@wsgi.versions(mv.GROUP_REPLICATION)
@wsgi.body(schema.LIST_REPLICATION_TARGETS, key='list_replication_targets')
@wsgi.response(200, view.REPLICATION_TARGETS)
def list_replication_targets(req: wsgi.Request, group_id: str,
                             body: dict[str, Any]) -> dict[str, Any]:
    group = load(req, group_id, policy.LIST_REPLICATION_TARGETS)
    return view.replication_targets(req, group_replication.targets(req.context, group))


ACTIONS = {
    'delete': delete,
    'reset_status': reset_status,
    'list_replication_targets': list_replication_targets,
    **{verb: _replication(verb, rule, body) for verb, rule, body in (
        ('enable_replication', policy.ENABLE_REPLICATION, schema.ENABLE_REPLICATION),
        ('disable_replication', policy.DISABLE_REPLICATION, schema.DISABLE_REPLICATION),
        ('failover_replication', policy.FAILOVER_REPLICATION, schema.FAILOVER_REPLICATION))},
}
COLLECTION_ACTIONS = {'create-from-src': create_from_src}
