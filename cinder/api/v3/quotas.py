# SPDX-License-Identifier: Apache-2.0
"""Handlers of the quota sets of projects, and of the defaults."""
from collections.abc import Iterable
from typing import Any

from cinder import exception, quota
from cinder.api import converters, wsgi
from cinder.api.schemas import quotas as schema
from cinder.api.views import shapes
from cinder.context import RequestContext
from cinder.db import quotas as quotas_db
from cinder.db import types as types_db
from cinder.i18n import _
from cinder.policies import quotas as policy

_USAGE = shapes.record('limit', 'in_use', 'reserved')
_SHOWN = {'type': 'object', 'properties': {'id': shapes.TEXT},
          'additionalProperties': {'anyOf': [shapes.NUMBER, _USAGE]}}


def names(ctxt: RequestContext) -> list[str]:
    """Return the fixed quotas, and three for each volume type that the caller can see."""
    types = types_db.names(ctxt).values()
    return [*quota.RESOURCES, *(f'{name}_{each}' for each in types for name in quota.PER_TYPE)]


_LIMITS = wsgi.Schema(schema.LIMITS)


def limits_of(body: dict[str, Any], known: Iterable[str], *others: str) -> dict[str, int]:
    """Return the limits of a request body, which may be a whole quota set with its id.

    :param others: further keys that are allowed and ignored.
    :raises InvalidInput: a name is not a quota.
    :raises Invalid: a value is not a limit.
    """
    sent = {name: value for name, value in body.items() if name not in ('id', *others)}
    unknown = set(sent).difference(known)
    if unknown:
        raise exception.InvalidInput(
            reason=_('unknown quota: %s') % ', '.join(sorted(unknown))[:255])
    _LIMITS.check(sent)
    return {name: int(value['limit'] if isinstance(value, dict) else value)
            for name, value in sent.items()}


def _checked(req: wsgi.Request, rule: str, project_id: str) -> str:
    if len(project_id) > 255:
        raise exception.InvalidInput(reason=_('a project id has more than 255 characters'))
    req.context.authorize(rule, {'project_id': project_id, 'user_id': req.context.user_id})
    return project_id


@wsgi.query(usage=converters.boolean)
@wsgi.response(200, shapes.wrap('quota_set', _SHOWN))
def show(req: wsgi.Request, target_project_id: str) -> dict[str, Any]:
    project_id = _checked(req, policy.SHOW, target_project_id)
    every = names(req.context)
    usage = req.params.get('usage', False)
    state = quotas_db.limits_and_usage(req.context, project_id, every if usage else ())
    shown: dict[str, Any] = {name: quota.effective(state, name) for name in every}
    if usage:
        shown = {name: {'limit': limit, 'in_use': state.usage.get(name, 0), 'reserved': 0}
                 for name, limit in shown.items()}
    return {'quota_set': {'id': project_id, **shown}}


@wsgi.response(200, shapes.wrap('quota_set', shapes.NUMBERS_BY_ID))
def defaults(req: wsgi.Request, target_project_id: str) -> dict[str, Any]:
    project_id = _checked(req, policy.SHOW, target_project_id)
    state = quotas_db.QuotaState(
        {}, quotas_db.get_class(req.context, quotas_db.DEFAULT_CLASS), {})
    return {'quota_set': {'id': project_id, **{
        name: quota.effective(state, name) for name in names(req.context)}}}


@wsgi.body(schema.UPDATE, key='quota_set')
@wsgi.response(200, shapes.wrap('quota_set', shapes.NUMBERS))
def update(req: wsgi.Request, target_project_id: str, body: dict[str, Any]) -> dict[str, Any]:
    project_id = _checked(req, policy.UPDATE, target_project_id)
    every = names(req.context)
    limits = limits_of(body, every, 'tenant_id')
    state = quotas_db.limits_and_usage(req.context, project_id, list(limits))
    for name, limit in limits.items():
        used = state.usage.get(name, 0)
        # An unchanged limit is accepted, even if more is in use already.
        if quota.UNLIMITED != limit < used and limit != quota.effective(state, name):
            raise exception.InvalidInput(
                reason=_('the quota %(name)s cannot be %(limit)d: %(used)d are in use')
                % {'name': name, 'limit': limit, 'used': used})
    if limits:
        quotas_db.set_limits(req.context, project_id, limits)
    state.project_limits.update(limits)
    return {'quota_set': {name: quota.effective(state, name) for name in every}}


def delete(req: wsgi.Request, target_project_id: str) -> None:
    quotas_db.delete_limits(req.context, _checked(req, policy.DELETE, target_project_id))
