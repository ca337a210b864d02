# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage scheduler`: asks a running scheduler where volumes would be placed, how many fit,
and which to migrate. cinder.scheduler computes the answers; nothing is changed."""
import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cinder import context, exception, objects
from cinder.cmd.tables import print_table
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.db import types as types_db

Answer = Mapping[str, Any]


def what_if(size: int, volume_type: str | None = None, zone: str | None = None,
            hint: Sequence[str] = (), count: int | None = None, as_json: bool = False) -> int:
    """Print where a volume would be placed, or with --count how many fit; status 1 if not all."""
    hints = dict(map(_parse_hint, hint))
    _check_request(size, hints)
    if count is not None and count < 1:
        raise exception.InvalidInput(reason=f'--count is {count}; expected at least 1')
    ctxt = context.get_admin_context()
    operation, volume = _request(ctxt, size, volume_type, zone, hints)
    with _scheduler(ctxt) as api:
        found = (api.what_if(ctxt, operation, volume) if count is None
                 else api.what_fits(ctxt, operation, volume, count))
    if as_json:
        print(json.dumps(found, indent=2))
    elif count is None:
        _print_decision(found)
    else:
        _print_fit(found, f'{size} GiB')
    return 0 if (found['accepted'] if count is None else found['fit'] == count) else 1


def advise(fill: int = 80, as_json: bool = False) -> int:
    """Print which volumes to migrate, so that no pool is too full; status 1 if impossible."""
    if not 1 <= fill <= 100:
        raise exception.InvalidInput(
            reason=f'--fill is {fill}; expected a percentage from 1 to 100')
    ctxt = context.get_admin_context()
    with _scheduler(ctxt) as api:
        found = api.advise(ctxt, fill)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print_advice(found)
    return 1 if found['moves'] is None else 0


def explain(volume_id: str, as_json: bool = False) -> int:
    """Print why a volume was refused, or lies where it lies; status 1 if nothing is known."""
    found = _stored(context.get_admin_context(), volume_id)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print_explanation(found)
    return 0 if found['refusal'] or found['decision'] else 1


def _stored(ctxt: context.RequestContext, volume_id: str) -> dict[str, Any]:
    """Return what the schedulers have stored about a volume: `status`, `host`; `refusal`, the last
    one, and `decision`, the last one; both with `at`, the time in UTC, or None.

    :raises VolumeNotFound: there is no such volume, and nothing about it.
    """
    from cinder.db import journal, messages, volumes
    message = messages.last_detailed(ctxt, volume_id)
    operation = journal.last_decision(ctxt, volume_id)
    try:
        volume = volumes.get(ctxt, volume_id)
    except exception.VolumeNotFound:
        if message is None and operation is None:
            raise
        volume = objects.Volume(status='deleted', host=None)
    return {
        'volume_id': volume_id, 'status': volume.status, 'host': volume.host,
        'refusal': None if message is None else {
            'at': message['created_at'].isoformat(), 'request_id': message['request_id'],
            'message': message['user_message'],
            'pools': message['operator_detail'].splitlines()},
        'decision': None if operation is None else {
            'at': operation.updated_at.isoformat(), 'request_id': operation.request_id,
            'verb': operation.verb, **operation.arguments[journal.DECISION]}}


# ------------------------------------------------------------------------------------ the question
def _parse_hint(text: str) -> tuple[str, object]:
    """Parse KEY=VALUE; a value that is JSON is read as such."""
    key, sign, value = text.partition('=')
    if not key or not sign:
        raise exception.InvalidInput(reason=f'--hint is {text}; expected KEY=VALUE')
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _check_request(size: int, hints: dict[str, object]) -> None:
    """:raises Invalid: the API would refuse such a request."""
    # Imported here, because other commands do not need the API.
    from cinder.api import hints as api_hints
    from cinder.api import wsgi
    from cinder.api.schemas import volumes as schema
    body = {'volume': {'size': size}, schema.HINT_KEYS[0]: hints}
    wsgi.Schema(schema.CREATE[-1][1]).check(body)
    api_hints.of_body(body)


def _request(ctxt: context.RequestContext, size: int, volume_type: str | None, zone: str | None,
             hints: dict[str, object]) -> tuple[objects.Operation, objects.Volume]:
    from cinder.volume.api import zones
    kind = types_db.get_by_name_or_id(ctxt, volume_type) if volume_type else types_db.default(ctxt)
    volume = objects.Volume(
        id=str(uuid.uuid4()), size=size, status='creating', volume_type_id=kind.id,
        volume_type=kind, availability_zone=zones.choose(zone, kind, None), project_id=None,
        user_id=None, snapshot_id=None, source_volid=None, metadata={})
    return objects.Operation(
        verb='volume.create', resource_type='volume', resource_id=volume.id,
        arguments={'scheduler_hints': hints}), volume


@contextlib.contextmanager
def _scheduler(ctxt: context.RequestContext) -> Iterator[Any]:
    """Provide the client of the scheduler.

    :raises SchedulerSilent: no scheduler is up, or the broker does not respond.
    """
    from cinder.rpc import base as rpc
    from cinder.rpc import reachability
    from cinder.rpc import scheduler as scheduler_rpc
    if not services_db.list_all(ctxt, binary=scheduler_rpc.SchedulerAPI.BINARY, is_up=True):
        raise exception.SchedulerSilent(reason='no cinder-scheduler is up')
    rpc.init(CONF, services_db.minimum_versions)
    try:
        if not reachability.names_broker():
            raise exception.SchedulerSilent(
                reason='transport_url names no broker, so the scheduler runs in another process '
                       'that cannot be reached; for one volume, send POST /v3/{project_id}/'
                       'scheduler-stats/what-if to its API instead')
        trouble = reachability.find_trouble()
        if trouble:
            raise exception.SchedulerSilent(
                reason=f'the message bus does not work: {trouble.rstrip(".")}')
        yield scheduler_rpc.SchedulerAPI()
    finally:
        rpc.cleanup()


# ------------------------------------------------------------------------------------ the answers
def _print_decision(found: Answer) -> None:
    print(f'placed on {found["choice"]}' if found['accepted'] else f'refused: {found["reason"]}')
    if found['ignored_hints']:
        print(f'no filter reads these hints: {", ".join(found["ignored_hints"])}')
    print_table(('Pool', 'Zone', 'Weight', 'Result'), (
        (pool['name'], pool['availability_zone'],
         None if pool['weight'] is None else f'{pool["weight"]:.3f}', _result(pool))
        for pool in found['pools']))


def _result(pool: Answer) -> str:
    """Return the first refusal of a pool, or its weights."""
    for each in pool['filters']:
        if not each['passed']:
            detail = f' ({each["detail"]})' if each['detail'] else ''
            return f'{each["name"]}: {each["reason"]}{detail}'
    weights = ', '.join(f'{each["name"]} {each["weight"]:.3f}' for each in pool['weights'])
    return f'accepted: {weights}' if weights else 'accepted'


def _print_fit(found: Answer, each: str) -> None:
    print(f'{found["fit"]} of {found["requested"]} volumes of {each} fit (quotas do not count)')
    if not found['complete']:
        print('the simulation was ended by its limits; more may fit')
    if found['reason']:
        print(f'the next one is refused: {found["reason"]}')
    if found['first']:
        print(f'{found["first"]["pool"]} is the first pool without space for another one, after '
              f'{found["first"]["after"]} volumes')
    print_table(('Pool', 'Volumes', 'GiB', 'Available GiB after'), (
        (pool['name'], pool['volumes'], pool['gib'], _gib(pool['available']))
        for pool in found['pools']))


def _gib(amount: float | None) -> str | None:
    return None if amount is None else f'{amount:.2f}'.rstrip('0').rstrip('.')


def _print_advice(found: Answer) -> None:
    for name in found['unknown']:
        print(f'{name} reports no size and is left out')
    if not found['pools']:
        print(f'no pool is above {found["fill"]} %')
        return
    print_table(('Pool', 'Percent', 'GiB above', 'Movable GiB', 'Volumes'), (
        (pool['name'], pool['percent'], _gib(pool['above']), pool['movable'], pool['volumes'])
        for pool in found['pools']))
    if found['moves'] is None:
        print('impossible: the pools below the level that pass the filters cannot take enough '
              'volumes' if found['best'] else 'no plan was found within the limits of the search')
        return
    print(f'migrate {len(found["moves"])} volumes, {found["gib"]} GiB'
          + ('' if found['best'] else ' (a plan with fewer GiB may exist)'))
    print_table(('Volume', 'GiB', 'From', 'To'), (
        (move['volume_id'], move['size'], move['from'], move['to']) for move in found['moves']))
    print_table(('Target', 'Percent', 'After'), (
        (pool['name'], pool['percent'], pool['after']) for pool in found['targets']))


def _print_explanation(found: Answer) -> None:
    print(f'volume {found["volume_id"]} is {found["status"]}, '
          + (f'on {found["host"]}' if found['host'] else 'on no host'))
    refusal, decision = found['refusal'], found['decision']
    if refusal:
        print(f'refused at {refusal["at"]} ({refusal["request_id"]}): {refusal["message"]}')
        for line in refusal['pools']:
            print(f'  {line}')
    if decision:
        print(f'{decision["verb"]} was placed at {decision["at"]} ({decision["request_id"]}): '
              f'{decision["fitting"]} of {decision["pools"]} pools fitted')
        for name, weights in decision['weights'].items():
            print(f'  {name}: weight {sum(weights.values()):.3f} ('
                  + ', '.join(f'{each} {weight:.3f}' for each, weight in weights.items()) + ')')
        for line in decision['refused']:
            print(f'  {line}')
    if not refusal and not decision:
        print('no reasons are stored: they are kept for a week, refusals for message_ttl')
