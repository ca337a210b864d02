# SPDX-License-Identifier: Apache-2.0
"""Handler of questions where the scheduler would place a request; an extension of the API."""
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.schemas import what_if as schema
from cinder.api.schemas.base import normalize_uuid, nullable, one_of
from cinder.api.v3 import groups, volume_actions, volume_migrations, volumes
from cinder.api.views import shapes
from cinder.i18n import _
from cinder.policies import pools as policy
from cinder.volume.api import what_if

# Key of the body -> handler of the request.
HANDLERS: Mapping[str, wsgi.Handler] = {
    'volume': volumes.create, 'group': groups.create,
    **{key: (volume_actions.ACTIONS | volume_migrations.ACTIONS)[key]
       for key, about_volume in schema.REQUESTS.items() if about_volume}}
VERBS = ('volume.create', 'volume.extend', 'volume.retype', 'volume.migrate', 'group.create')

_TEXT_OR_NULL, _NUMBER = nullable(shapes.TEXT), {'type': 'number'}
_POOL = shapes.record(
    'name', 'cluster', 'availability_zone', weight=nullable(_NUMBER),
    filters=shapes.items(shapes.record(
        name=shapes.TEXT, passed=shapes.BOOLEAN, reason=_TEXT_OR_NULL, detail=_TEXT_OR_NULL)),
    weights=shapes.items(shapes.record(name=shapes.TEXT, weight=_NUMBER)))
_QUOTA = {'type': 'object', 'additionalProperties': shapes.record(
    'limit', used=shapes.NUMBER, needed=shapes.NUMBER, left=shapes.NUMBER)}
_ANSWER = shapes.record('accepted', request=one_of(*VERBS), reason=_TEXT_OR_NULL, quota=_QUOTA)
# With names of pools; or, for tenants, with the numbers of pools.
_SHAPE = {**_ANSWER, 'additionalProperties': False, 'properties': {
    **_ANSWER['properties'], 'choice': _TEXT_OR_NULL, 'pools': shapes.items(_POOL),
    'ignored_hints': shapes.items(shapes.TEXT),
    'fitting': shapes.NUMBER, 'refused': shapes.items(shapes.record(
        reason=shapes.TEXT, pools=shapes.NUMBER))}}


@wsgi.body(schema.ASK)
@wsgi.response(200, shapes.wrap('what_if', _SHAPE))
def ask(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    ctxt = req.context
    kind = _kind_of(body)
    by_operator = ctxt.can(policy.WHAT_IF)
    if not by_operator:
        ctxt.authorize(policy.WHAT_IF_CREATE if kind == 'volume' else policy.WHAT_IF)
    args = {}
    if schema.REQUESTS[kind]:
        args['volume_id'] = normalize_uuid(body['volume_id'])
    req.replace_json({key: value for key, value in body.items() if key != 'volume_id'})
    handler = HANDLERS[kind] if by_operator else volumes.rehearse_create
    found = what_if.ask(ctxt, lambda: wsgi.call(req, handler, args))
    return {'what_if': found if by_operator else _without_names(found)}


def _kind_of(body: Mapping[str, Any]) -> str:
    """Return the key of the request in a body; :raises InvalidInput: it is not exactly one."""
    kinds = sorted(set(body).intersection(schema.REQUESTS))
    if len(kinds) != 1:
        raise exception.InvalidInput(
            reason=_('the body contains %(found)s; expected exactly one of %(expected)s') % {
                'found': ' and '.join(kinds) or _('no request'),
                'expected': ', '.join(schema.REQUESTS)})
    kind, = kinds
    if schema.REQUESTS[kind] and 'volume_id' not in body:
        raise exception.InvalidInput(
            reason=_('%s needs volume_id, the id of the volume that it is about') % kind)
    if not schema.REQUESTS[kind] and 'volume_id' in body:
        raise exception.InvalidInput(
            reason=_('volume_id was given, but the request %s is not about a volume') % kind)
    return kind


def _without_names(found: dict[str, Any]) -> dict[str, Any]:
    passed = [pool for pool in found['pools'] if all(each['passed'] for each in pool['filters'])]
    return {key: found[key] for key in (
        'request', 'accepted', 'reason', 'ignored_hints', 'quota')} | {
        'fitting': len(passed), 'refused': what_if.count_by_reason(found)}
