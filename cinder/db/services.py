# SPDX-License-Identifier: Apache-2.0
"""The SQL of services: registration and heartbeats, by the clock of the database."""
import functools
import random
import uuid
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import changes, filters, models, session

_T = models.Service.__table__
# Maximum number of characters of disabled_reason.
_REASON = 255
# Begins the reason for which an enabled service does not work.
DOWN = 'down: '
_BEAT = _T.update().where(_T.c.id == sa.bindparam('ident'), _T.c.deleted == sa.false()).values(
    report_count=_T.c.report_count + 1, updated_at=session.utcnow())


def is_up_condition(periods: int = 1) -> filters.Condition:
    """Return the condition: the last heartbeat is younger than service_down_time, `periods` times.
    """
    return sa.and_(_T.c.updated_at.is_not(None),
                   _T.c.updated_at > session.in_seconds(-CONF.service_down_time * periods))


@functools.lru_cache(1)
def _all(_service_down_time: int) -> sa.Select:
    return sa.select(*_T.c, is_up_condition().label('is_up'),
                     is_up_condition(2).label('was_up')).where(
        _T.c.deleted == sa.false()).order_by(_T.c.id)


def list_rows(ctxt: RequestContext, *, host: str | None = None, binary: str | None = None,
              topic: str | None = None, cluster_name: str | None = None,
              disabled: bool | None = None, is_up: bool | None = None,
              frozen: bool | None = None) -> Sequence[Mapping]:
    """Return the services in the order of registration, with `is_up`, as plain rows.

    :param host: 'host': that host with all its back ends; 'host@backend': only that back end.
    """
    exact = {'binary': binary, 'topic': topic, 'cluster_name': cluster_name,
             'disabled': disabled, 'frozen': frozen}
    given = {name: value for name, value in exact.items() if value is not None}
    where = []
    if host is not None:
        where.append(sa.or_(_T.c.host == host, _T.c.host.startswith(host + '@', autoescape=True)))
    if is_up is not None:
        where.append(is_up_condition() if is_up else sa.not_(is_up_condition()))
    statement = _matching(CONF.service_down_time, *given)
    with session.reader(ctxt) as conn:
        return conn.execute(statement.where(*where) if where else statement,
                            given).mappings().all()


def list_all(ctxt: RequestContext, **wanted: object) -> list[objects.Service]:
    """Return the services of list_rows as objects, which take longer to create."""
    return [objects.Service.from_row(row) for row in list_rows(ctxt, **wanted)]


def _one(ctxt: RequestContext, **wanted: object) -> objects.Service | None:
    with session.reader(ctxt) as conn:
        row = conn.execute(_matching(CONF.service_down_time, *wanted), wanted).mappings().first()
    return objects.Service.from_row(row) if row else None


@functools.lru_cache(64)
def _matching(service_down_time: int, *names: str) -> sa.Select:
    """Return the SELECT of the services whose columns have the values of equal parameters."""
    return _all(service_down_time).where(*(_T.c[name] == sa.bindparam(name) for name in names))


def get(ctxt: RequestContext, service_id: int) -> objects.Service:
    """Return a service; :raises ServiceNotFound: it does not exist."""
    found = _one(ctxt, id=service_id)
    if found is None:
        raise exception.ServiceNotFound(service_id=service_id)
    return found


def find(ctxt: RequestContext, host: str | None, binary: str) -> objects.Service | None:
    """Return a service; None if it does not exist."""
    return _one(ctxt, host=host, binary=binary)


def get_by_host_binary(ctxt: RequestContext, host: str, binary: str) -> objects.Service:
    """Return a service; :raises ServiceHostNotFound: it does not exist."""
    found = find(ctxt, host, binary)
    if found is None:
        raise exception.ServiceHostNotFound(host=host, binary=binary)
    return found


def pick(ctxt: RequestContext, binary: str, zone: str | None = None,
         prefer: str | None = None) -> objects.Service | None:
    """Return an enabled service that is up; None if there is none.

    :param zone: availability zone of the service; None: any.
    :param prefer: host whose service is preferred; otherwise it is selected at random.
    """
    found = [service for service in list_all(ctxt, binary=binary, disabled=False, is_up=True)
             if zone in (None, service.availability_zone)]
    wanted = [service for service in found if service.host == prefer]
    return random.choice(wanted or found) if found else None  # nosec B311 # spreads load


def pick_near(ctxt: RequestContext, binary: str, zone: str | None = None,
              prefer: str | None = None) -> objects.Service | None:
    """Like pick(), but return a service of another zone if the zone has none that is up."""
    return pick(ctxt, binary, zone, prefer) or pick(ctxt, binary, None, prefer)


def list_returning(ctxt: RequestContext, binary: str) -> list[objects.Service]:
    """Return the enabled services that are down and were up within the last service_down_time: they
    restart, or an outage of the message bus made them count as down, and may be up soon."""
    return [service for service in list_all(ctxt, binary=binary, disabled=False, is_up=False)
            if service.was_up]


def is_up(ctxt: RequestContext, service_id: int) -> bool:
    """Return whether the service is up; False if it does not exist."""
    found = _one(ctxt, id=service_id)
    return bool(found and found.is_up)


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> objects.Service:
    """Register a service: host, binary, topic and so on.

    The row of a removed service, or one that another process registers at the same time, is reused
    with its uuid, which volumes refer to.
    """
    fresh = {'deleted': False, 'deleted_at': None, 'report_count': 0, 'disabled': False,
             'frozen': False, **values}
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [{**fresh, 'uuid': str(uuid.uuid4())}], ('host', 'binary'),
                       keep=('uuid',))
    return get_by_host_binary(ctxt, values['host'], values['binary'])


@session.retry_on_deadlock
def update(ctxt: RequestContext, service_id: int, values: Mapping[str, object]) -> None:
    """Change columns, except updated_at, which only heartbeats change.

    :raises ServiceNotFound: the service does not exist.
    """
    done = changes.compare_and_swap(ctxt, _T, service_id, {}, {
        'modified_at': session.utcnow(), 'updated_at': _T.c.updated_at, **values})
    if not done:
        raise exception.ServiceNotFound(service_id=service_id)


@session.retry_on_deadlock
def set_down_reason(ctxt: RequestContext, service_id: int, reason: str | None) -> None:
    """Store why an enabled service does not work; None: it works. The reason of a disabled service
    is that of the operator, and is not changed."""
    reason = reason and reason[:_REASON]
    changes.update_where(ctxt, _T, [
        _T.c.id == service_id, _T.c.deleted == sa.false(), _T.c.disabled == sa.false(),
        _T.c.disabled_reason.is_distinct_from(reason)],
        {'updated_at': _T.c.updated_at, 'disabled_reason': reason})


@session.retry_on_deadlock
def set_frozen(ctxt: RequestContext, service_id: int, frozen: bool) -> bool:
    """Freeze or thaw a back end; return False if it was already in that state."""
    return changes.compare_and_swap(
        ctxt, _T, service_id, {'frozen': not frozen},
        {'modified_at': session.utcnow(), 'updated_at': _T.c.updated_at, 'frozen': frozen})


@session.retry_on_deadlock
def heartbeat(ctxt: RequestContext, service_id: int) -> None:
    """Store a heartbeat of the service, by the clock of the database.

    :raises ServiceNotFound: the service was removed.
    """
    with session.writer(ctxt) as conn:
        if not conn.execute(_BEAT, {'ident': service_id}).rowcount:
            raise exception.ServiceNotFound(service_id=service_id)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, service_id: int) -> None:
    """Delete a service; :raises ServiceNotFound: it does not exist."""
    if not changes.soft_delete(ctxt, _T, [_T.c.id == service_id]):
        raise exception.ServiceNotFound(service_id=service_id)


@session.retry_on_deadlock
def raise_versions(ctxt: RequestContext, rpc_versions: Mapping[str, str],
                   object_version: str) -> int:
    """Store that all services have these versions, although they have not reported since they were
    replaced; return the number of services.

    :param rpc_versions: binary -> version
    """
    with session.writer(ctxt):
        return sum(changes.update_where(
            ctxt, _T, [_T.c.binary == binary, _T.c.deleted == sa.false()],
            {'rpc_current_version': version, 'object_current_version': object_version,
             'updated_at': _T.c.updated_at}) for binary, version in rpc_versions.items())


def minimum_versions(ctxt: RequestContext, binary: str) -> tuple[str | None, str | None]:
    """Return the lowest RPC and object versions of the services of a binary; None if unknown."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(
            _T.c.rpc_current_version, _T.c.object_current_version).where(
                _T.c.binary == binary, _T.c.deleted == sa.false())).all()
    lowest = [min((version for version in column if version), default=None, key=_as_numbers)
              for column in zip(*rows, strict=True)] if rows else [None, None]
    return lowest[0], lowest[1]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.'))
