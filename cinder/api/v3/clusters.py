# SPDX-License-Identifier: Apache-2.0
"""Handlers of clusters: services that share back ends."""
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import clusters as schema
from cinder.api.views import clusters as view
from cinder.api.views.base import View
from cinder.db import clusters as clusters_db
from cinder.i18n import _
from cinder.policies import clusters as policy

BINARY = 'cinder-volume'
_REPLICATION = mv.CLUSTER_REPLICATION
_filtered = wsgi.query(
    name=converters.text, binary=converters.text, is_up=converters.boolean,
    disabled=converters.boolean, num_hosts=converters.integer,
    num_down_hosts=converters.integer,
    replication_status=(_REPLICATION, converters.text), frozen=(_REPLICATION, converters.boolean),
    active_backend_id=(_REPLICATION, converters.text))


@wsgi.versions(mv.CLUSTERS)
@_filtered
@wsgi.response(200, view.SUMMARY.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.SUMMARY)


@wsgi.versions(mv.CLUSTERS)
@_filtered
@wsgi.response(200, view.DETAIL.page)
def detail(req: wsgi.Request) -> dict[str, Any]:
    return _page(req, view.DETAIL)


def _page(req: wsgi.Request, answer: View) -> dict[str, Any]:
    req.context.authorize(policy.GET_ALL)
    unknown = sorted(req.query.keys() - req.params.keys())
    if unknown:
        raise exception.InvalidInput(
            reason=_('filter %s is not supported') % ', '.join(unknown)[:255])
    return answer.page(req, listings.Rows(clusters_db.list_rows(req.context, **req.params)))


@wsgi.versions(mv.CLUSTERS)
@wsgi.query(binary=converters.text)
@wsgi.response(200, view.DETAIL.one)
def show(req: wsgi.Request, cluster_name: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    found = clusters_db.get(req.context, cluster_name, req.params.get('binary') or BINARY)
    return view.DETAIL.one(req, found)


@wsgi.versions(mv.CLUSTERS)
@wsgi.body(schema.ENABLE)
@wsgi.response(200, view.CHANGED.one)
def enable(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    return _update(req, body, {'disabled': False, 'disabled_reason': None})


@wsgi.versions(mv.CLUSTERS)
@wsgi.body(schema.DISABLE)
@wsgi.response(200, view.CHANGED.one)
def disable(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    reason = (body.get('disabled_reason') or '').strip() or None
    return _update(req, body, {'disabled': True, 'disabled_reason': reason})


def _update(req: wsgi.Request, body: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    binary = body.get('binary') or BINARY
    found = clusters_db.get(req.context, body['name'], binary)
    clusters_db.update(req.context, found.id, values)
    return view.CHANGED.one(req, clusters_db.get(req.context, body['name'], binary))
