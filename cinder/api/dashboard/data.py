# SPDX-License-Identifier: Apache-2.0
"""What the page shows to a caller: each section is there if the policy lets the caller see it
elsewhere, and has only rows of the project of the caller, unless that is an administrator."""
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cinder import exception, failures, quota
from cinder.api.dashboard import errors, latency, trash
from cinder.context import RequestContext
from cinder.db import deployment, journal, operation_rows, services
from cinder.db import quotas as quotas_db
from cinder.objects.verbs import VERBS
from cinder.policies import limits as limits_policy
from cinder.policies import metrics as metrics_policy
from cinder.policies import operations as operations_policy
from cinder.policies import pools as pools_policy
from cinder.policies import services as services_policy
from cinder.rpc import scheduler

# Rows of each table, and seconds to wait for a scheduler.
MOST_OPERATIONS, MOST_FAILURES, MOST_PROJECTS, SCHEDULER_SECONDS = 50, 20, 10, 3
# Quotas that are shown.
QUOTAS = ('volumes', 'gigabytes', 'snapshots', 'backups', 'backup_gigabytes')


class Cached:
    """The results of questions that are the same for all who may ask them, for some seconds.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, seconds: float, ask: Callable[[], Any]) -> Any:
        """Return the kept result, or ask for a new one; others wait for it."""
        with self._guard:
            until, found = self._kept.get(name, (float('-inf'), None))
            if self._clock() >= until:
                found = ask()
                self._kept[name] = self._clock() + seconds, found
            return found

    def clear(self) -> None:
        """Forget all results; for tests."""
        self._kept.clear()


cached = Cached()


def collect(ctxt: RequestContext) -> dict[str, Any]:
    """Return the values of the page; a section that the caller may not see is None."""
    found: dict[str, Any] = dict.fromkeys(
        ('services', 'pools', 'projects', 'errors', 'latency'))
    scope = _scope(ctxt)
    found |= {'operations': [] if scope is None else _operations(ctxt, scope),
              'failures': [] if scope is None else _failures(ctxt, scope),
              'quotas': _quotas(ctxt), 'of_all': scope == {}, 'trash': trash.collect(ctxt)}
    if ctxt.can(services_policy.INDEX):
        found['services'] = cached.get('services', 2, lambda: _services(ctxt))
    if ctxt.can(pools_policy.GET_POOLS):
        found['pools'] = cached.get('pools', 5, lambda: _pools(ctxt))
    if ctxt.can(metrics_policy.GET):
        found['projects'] = cached.get('projects', 30, lambda: _projects(ctxt))
        found['errors'] = cached.get('errors', 5, errors.by_kind)
        found['latency'] = cached.get('latency', 5, latency.by_route)
    return found


# ---------------------------------------------------------------------------------- operations
def _scope(ctxt: RequestContext) -> dict[str, str] | None:
    """Return the condition for the operations that a caller may see; None: none at all. It is the
    rules of /v3/operations: who sees the hosts sees all projects."""
    if ctxt.can(operations_policy.SEE_HOST):
        return {}
    if ctxt.project_id and ctxt.can(operations_policy.GET_ALL):
        return {'project_id': ctxt.project_id}
    return None


def _operations(ctxt: RequestContext, scope: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = [{**row, 'state': 'waiting' if row['set_aside'] else row['state']}
            for row in journal.unfinished(ctxt, limit=MOST_OPERATIONS, **scope)]
    operation_rows.complete(ctxt, rows)
    return [_shown(row, not scope) for row in rows]


def _shown(row: Mapping[str, Any], of_all: bool) -> dict[str, Any]:
    total = row['progress_total']
    place = (row['cluster'] or row['host']) if row['stage'] == 'execute' else 'scheduler'
    return {
        **_about(row, of_all), 'state': row['state'], 'age': row['age'],
        'progress': (row['progress_done'] or 0) / total if total else None,
        # What is set aside begins to count anew.
        'interrupted': row['attempt'] - (row['state'] == 'running'),
        'waits_for': row['waits_for'], 'position': row['queue_position'],
        'service': place if of_all else None}


def _failures(ctxt: RequestContext, scope: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{**_about(row, not scope), 'age': row['age'],
             'reason': row['error'] or 'no reason is known'}
            for row in journal.failed(ctxt, MOST_FAILURES, **scope)]


def _about(row: Mapping[str, Any], of_all: bool) -> dict[str, Any]:
    verb = VERBS.get(row['verb'])
    return {'verb': row['verb'], 'class': verb.kind if verb else '',
            'resource': f'{row["resource_type"].replace("_", " ")} {row["resource_id"]}',
            'project': row['project_id'] if of_all else None}


def _quotas(ctxt: RequestContext) -> list[dict[str, Any]]:
    if not (ctxt.project_id and ctxt.can(limits_policy.USED)):
        return []
    state = quotas_db.limits_and_usage(ctxt, ctxt.project_id, QUOTAS)
    found = []
    for name in QUOTAS:
        limit, used = quota.effective(state, name), state.usage.get(name, 0)
        share = None if limit == quota.UNLIMITED else 1.0 if not limit else used / limit
        found.append({'name': name.replace('_', ' '), 'used': used, 'share': share,
                      'limit': None if limit == quota.UNLIMITED else limit})
    return found


# ---------------------------------------------------------------------------------- deployment
def _services(ctxt: RequestContext) -> list[dict[str, Any]]:
    """Return all services, those with trouble first."""
    found = [{'binary': row['binary'], 'host': row['host'], 'zone': row['availability_zone'],
              'cluster': row['cluster_name'], 'state': _state(row),
              'reason': (row['disabled_reason'] or '').removeprefix(services.DOWN)}
             for row in services.list_rows(ctxt)]
    order = (deployment.FAILING, deployment.DOWN, deployment.DISABLED, deployment.UP)
    return sorted(found, key=lambda row: (order.index(row['state']), row['binary'], row['host']))


def _state(row: Mapping[str, Any]) -> str:
    """Return the state of a row, as deployment.service_state()."""
    if row['disabled']:
        return deployment.DISABLED
    if row['is_up']:
        return deployment.UP
    failing = (row['disabled_reason'] or '').startswith(services.DOWN)
    return deployment.FAILING if failing else deployment.DOWN


def _pools(ctxt: RequestContext) -> dict[str, Any]:
    """Return `rows`, the fullest pool first, `trouble`: why there are none, and whether one has a
    `trash`."""
    if services.pick(ctxt, scheduler.SchedulerAPI.BINARY) is None:
        return _unknown_pools('No scheduler is up, which would know them.')
    try:
        found = scheduler.SchedulerAPI().get_pools(ctxt, {}, timeout=SCHEDULER_SECONDS)
    except exception.CinderException as exc:
        return _unknown_pools(f'No scheduler answers: {failures.one_line(exc)}')
    rows = sorted(map(_pool, found), key=lambda pool: (-(pool['used'] or 0), pool['name']))
    return {'rows': rows, 'trouble': '', 'trash': any(row['trash'] is not None for row in rows)}


def _unknown_pools(why: str) -> dict[str, Any]:
    return {'rows': [], 'trouble': why, 'trash': False}


def _pool(pool: Mapping[str, Any]) -> dict[str, Any]:
    has = pool['capabilities']
    total, free = (_gib(has.get(f'{name}_capacity_gb')) for name in ('total', 'free'))
    used = min(max(1 - free / total, 0.0), 1.0) if total and free is not None else None
    days = has.get('full_in_days')
    state, refusal = has.get('backend_state', 'up'), has.get('pool_refusal') or ''
    return {'name': pool['name'], 'total': total, 'free': free, 'used': used,
            'reserved': (_gib(has.get('reserved_percentage')) or 0) / 100,
            'provisioned': _gib(has.get('provisioned_capacity_gb')),
            'metadata': _share(has.get('metadata_percent')),
            'trash': _gib(has.get('trash_capacity_gb')),
            'state': state, 'refusal': refusal, 'troubled': state != 'up' or bool(refusal),
            'full_in': days * 86400 if isinstance(days, (int, float)) else None}


def _gib(value: Any) -> float | None:
    """Return a number of a report; None for 'infinite' and 'unknown'."""
    return float(value) if isinstance(value, (int, float)) else None


def _share(percent: Any) -> float | None:
    return percent / 100 if isinstance(percent, (int, float)) else None


def _projects(ctxt: RequestContext) -> list[dict[str, Any]]:
    rows: Iterable[tuple[str, int, int]] = deployment.largest_projects(ctxt, MOST_PROJECTS)
    found = [{'project': project, 'volumes': number, 'gib': gib} for project, number, gib in rows]
    most = max((row['gib'] for row in found), default=0)
    return [{**row, 'share': row['gib'] / most if most else 0.0} for row in found]
