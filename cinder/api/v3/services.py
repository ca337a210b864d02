# SPDX-License-Identifier: Apache-2.0
"""Handlers of services: list, enable and disable, log levels, freeze, thaw and failover."""
import types
from typing import Any

from oslo_log import log as logging

from cinder import exception, objects
from cinder.api import converters, listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import services as schema
from cinder.api.views import services as view
from cinder.api.views import shapes
from cinder.conf import CONF
from cinder.db import clusters as clusters_db
from cinder.db import services as services_db
from cinder.i18n import _
from cinder.policies import services as policy
from cinder.rpc import log_levels
from cinder.volume.api import services

LOG = logging.getLogger(__name__)
_CHANGES = ('host', 'service', 'binary', 'status', 'disabled')
_CHANGED = shapes.record(*_CHANGES)


@wsgi.query(host=converters.text, binary=converters.text)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.INDEX)
    found = services_db.list_rows(req.context, host=req.params.get('host'),
                                  binary=req.params.get('binary'))
    return view.VIEW.page(req, listings.Rows(found))


# ------------------------------------------------------------------------------ enable, disable
@wsgi.body(schema.UPDATE)
@wsgi.response(200, _CHANGED)
def enable(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    return _set_disabled(req, body, False)


@wsgi.body(schema.UPDATE)
@wsgi.response(200, _CHANGED)
def disable(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    return _set_disabled(req, body, True)


@wsgi.body(schema.DISABLE_REASON)
@wsgi.response(200, shapes.record(*_CHANGES, 'disabled_reason'))
def disable_log_reason(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    reason = (body.get('disabled_reason') or '').strip() or None
    return {**_set_disabled(req, body, True, reason), 'disabled_reason': reason}


def _set_disabled(req: wsgi.Request, body: dict[str, Any], disabled: bool,
                  reason: str | None = None) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    host = body.get('host')
    if not host:
        raise exception.InvalidInput(reason=_('host is required'))
    binary = body.get('binary') or body['service']
    service = services_db.get_by_host_binary(req.context, host, binary)
    services_db.update(req.context, service.id,
                       {'disabled': disabled, 'disabled_reason': reason})
    return {'host': host, 'service': body.get('service', ''), 'binary': body.get('binary', ''),
            'status': 'disabled' if disabled else 'enabled', 'disabled': disabled}


# ------------------------------------------------------------------------------------ log levels
@wsgi.versions(mv.LOG_LEVELS)
@wsgi.body(schema.GET_LOG)
@wsgi.response(200, shapes.wrap('log_levels', shapes.items(
    shapes.record('binary', 'host', 'levels'))))
def get_log(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    prefix = body.get('prefix') or ''
    found = []
    if _means_us(body):
        found.append(('cinder-api', CONF.host, log_levels.get_levels(prefix)))
    for service in _addressed(req, body):
        try:
            found.append((service.binary, service.host,
                          log_levels.fetch_levels(req.context, service, prefix)))
        except exception.ServiceUnavailable:
            LOG.warning('%s on %s does not report its log levels.', service.binary, service.host)
    return {'log_levels': [{'binary': binary, 'host': host, 'levels': levels}
                           for binary, host, levels in found]}


@wsgi.versions(mv.LOG_LEVELS)
@wsgi.body(schema.SET_LOG)
@wsgi.response(202)
def set_log(req: wsgi.Request, body: dict[str, Any]) -> None:
    req.context.authorize(policy.UPDATE)
    prefix, level = body.get('prefix') or '', (body.get('level') or '').upper()
    if not level:
        return
    if _means_us(body):
        log_levels.set_levels(prefix, level)
    for service in _addressed(req, body):
        log_levels.change_levels(req.context, service, prefix, level)


def _means_us(body: dict[str, Any]) -> bool:
    return (body.get('binary') in (None, '', '*', 'cinder-api')
            and body.get('server') in (None, '', CONF.host))


def _addressed(req: wsgi.Request, body: dict[str, Any]) -> list[objects.Service]:
    binary, server = body.get('binary'), body.get('server')
    return [service for service in services_db.list_all(req.context, is_up=True)
            if binary in (None, '', '*', service.binary)
            and server in (None, '', service.host)]


# ------------------------------------------------------------------------ freeze, thaw, failover
@wsgi.body(schema.BACKEND)
def freeze(req: wsgi.Request, body: dict[str, Any]) -> None:
    _set_frozen(req, body, policy.FREEZE, True)


@wsgi.body(schema.BACKEND)
def thaw(req: wsgi.Request, body: dict[str, Any]) -> None:
    _set_frozen(req, body, policy.THAW, False)


@wsgi.body(schema.FAILOVER)
@wsgi.response(202)
def failover_host(req: wsgi.Request, body: dict[str, Any]) -> None:
    req.context.authorize(policy.UPDATE)
    req.context.authorize(policy.FAILOVER)
    found = [each for each in _backends(req, body) if isinstance(each, objects.Service)]
    services.failover(req.context, found, None if body.get('host') else body['cluster'],
                      body.get('backend_id') or None)


@wsgi.versions(mv.CLUSTER_REPLICATION)
@wsgi.body(schema.FAILOVER)
@wsgi.response(202)
def failover(req: wsgi.Request, body: dict[str, Any]) -> None:
    failover_host(req, body)


def _set_frozen(req: wsgi.Request, body: dict[str, Any], rule: str, frozen: bool) -> None:
    req.context.authorize(policy.UPDATE)
    req.context.authorize(rule)
    first, *others = _backends(req, body)
    if not _table(first).set_frozen(req.context, first.id, frozen):
        raise exception.InvalidInput(
            reason=_('the back end is already frozen') if frozen
            else _('the back end is not frozen'))
    for backend in others:
        _table(backend).set_frozen(req.context, backend.id, frozen)


def _table(backend: objects.Service | objects.Cluster) -> types.ModuleType:
    return clusters_db if isinstance(backend, objects.Cluster) else services_db


def _backends(req: wsgi.Request, body: dict[str, Any]) -> list[objects.Service | objects.Cluster]:
    """Return the volume service of the host, or the cluster with its services.

    :raises InvalidInput: both or neither of host and cluster are given, or it is unknown.
    """
    host = body.get('host')
    cluster = body.get('cluster') if req.api_version >= mv.CLUSTER_REPLICATION else None
    if bool(host) == bool(cluster):
        raise exception.InvalidInput(reason=_('expected exactly one of host and cluster'))
    if host:
        found = [each for each in services_db.list_all(req.context, host=host,
                                                       binary='cinder-volume')
                 if each.host == host]
    else:
        found = [*clusters_db.list_all(req.context, name=cluster, binary='cinder-volume'),
                 *services_db.list_all(req.context, cluster_name=cluster,
                                       binary='cinder-volume')]
    if not found:
        raise exception.InvalidInput(
            reason=_('there is no volume service on %s') % (host or cluster))
    return found
