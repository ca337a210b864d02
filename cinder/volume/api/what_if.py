# SPDX-License-Identifier: Apache-2.0
"""Use case of questions: what would become of a request. The request runs in a rehearsal, so that
its own checks refuse it; a scheduler says where it would go."""
from collections.abc import Callable, Mapping
from typing import Any

from cinder import objects, quota
from cinder.context import RequestContext
from cinder.db import session
from cinder.db import types as types_db
from cinder.rpc import scheduler as scheduler_rpc


def ask(ctxt: RequestContext, request: Callable[[], object]) -> dict[str, Any]:
    """Return the decision on a request, and the quota that it would leave; change nothing.

    :param request: makes the request; it starts one operation.
    :returns: as cinder.scheduler.what_if.answer(), with `request`, the verb, and `quota`: name ->
        limit (-1: none), used, needed and left (-1: no limit), in GiB or a number.
    :raises CinderException: what the request raises.
    :raises SchedulerSilent: no scheduler answers.
    """
    with session.rehearsal(ctxt) as started:
        request()
    (operation, resource), = started
    found = scheduler_rpc.SchedulerAPI().what_if(ctxt, operation, resource)
    return {'request': operation.verb, **found,
            'quota': quota.preview(ctxt, resource.project_id,
                                   _NEEDED[operation.verb](ctxt, operation, resource))}


def count_by_reason(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how many pools each reason excludes, first of all their filters; without names."""
    first = [next((each for each in pool['filters'] if not each['passed']), None)
             for pool in found['pools']]
    reasons = [each['reason'] for each in first if each is not None]
    return [{'reason': reason, 'pools': reasons.count(reason)} for reason in dict.fromkeys(reasons)]


def _of_volume(_ctxt: RequestContext, _operation: objects.Operation,
               volume: objects.Volume) -> dict[str, int]:
    return quota.deltas(volume.volume_type, volumes=1, gigabytes=volume.size)


def _of_growth(_ctxt: RequestContext, operation: objects.Operation,
               volume: objects.Volume) -> dict[str, int]:
    return quota.deltas(volume.volume_type,
                        gigabytes=operation.arguments['new_size'] - volume.size)


def _of_retype(ctxt: RequestContext, operation: objects.Operation,
               volume: objects.Volume) -> dict[str, int]:
    wanted = types_db.get(ctxt.elevated(), operation.arguments['new_type_id'])
    return quota.of_type(wanted, volume.size)


_NEEDED: Mapping[str, Callable[..., dict[str, int]]] = {
    'volume.create': _of_volume, 'volume.extend': _of_growth, 'volume.retype': _of_retype,
    'volume.migrate': lambda *_request: {}, 'group.create': lambda *_request: {'groups': 1}}
