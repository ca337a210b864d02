# SPDX-License-Identifier: Apache-2.0
"""The SQL of services: who is there, who reported lately by the database's clock."""
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
# Letters that disabled_reason may have.
_REASON = 255


def reported_lately() -> filters.Condition:
    """There was a heartbeat, younger than service_down_time; no host's clock is asked."""
    return sa.and_(_T.c.updated_at.is_not(None),
                   _T.c.updated_at > session.in_seconds(-CONF.service_down_time))


def _select(*where: filters.Condition) -> sa.Select:
    return _all(CONF.service_down_time).where(*where)


@functools.lru_cache(1)
def _all(_service_down_time: int) -> sa.Select:
    return sa.select(*_T.c, reported_lately().label('is_up')).where(
        _T.c.deleted == sa.false()).order_by(_T.c.id)


def list_rows(ctxt: RequestContext, *, host: str | None = None, binary: str | None = None,
              topic: str | None = None, cluster_name: str | None = None,
              disabled: bool | None = None, is_up: bool | None = None,
              frozen: bool | None = None) -> Sequence[Mapping]:
    """The services in the order in which they were registered, with `is_up`, as plain rows.

    :param host: 'host' is that host with all its back ends, 'host@backend' only that one.
    """
    exact = {'binary': binary, 'topic': topic, 'cluster_name': cluster_name,
             'disabled': disabled, 'frozen': frozen}
    where = [_T.c[name] == value for name, value in exact.items() if value is not None]
    if host is not None:
        where.append(sa.or_(_T.c.host == host, _T.c.host.startswith(host + '@', autoescape=True)))
    if is_up is not None:
        where.append(reported_lately() if is_up else sa.not_(reported_lately()))
    with session.reader(ctxt) as conn:
        return conn.execute(_select(*where)).mappings().all()


def list_all(ctxt: RequestContext, **wanted: object) -> list[objects.Service]:
    """The services of list_rows as objects, which are dear to make."""
    return [objects.Service.from_row(row) for row in list_rows(ctxt, **wanted)]


def _one(ctxt: RequestContext, *where: filters.Condition) -> objects.Service | None:
    with session.reader(ctxt) as conn:
        row = conn.execute(_select(*where)).mappings().first()
    return objects.Service.from_row(row) if row else None


def get(ctxt: RequestContext, service_id: int) -> objects.Service:
    """:raises ServiceNotFound: there is no such service."""
    found = _one(ctxt, _T.c.id == service_id)
    if found is None:
        raise exception.ServiceNotFound(service_id=service_id)
    return found


def get_by_host_binary(ctxt: RequestContext, host: str, binary: str) -> objects.Service:
    """:raises ServiceHostNotFound: there is no such service."""
    found = _one(ctxt, _T.c.host == host, _T.c.binary == binary)
    if found is None:
        raise exception.ServiceHostNotFound(host=host, binary=binary)
    return found


def pick(ctxt: RequestContext, binary: str, zone: str | None = None,
         prefer: str | None = None) -> objects.Service | None:
    """An enabled service that is up; None where there is none.

    :param zone: availability zone that it has to be in; None is any.
    :param prefer: host whose service is taken if it is among them, else any at random.
    """
    found = [service for service in list_all(ctxt, binary=binary, disabled=False, is_up=True)
             if zone in (None, service.availability_zone)]
    wanted = [service for service in found if service.host == prefer]
    return random.choice(wanted or found) if found else None  # nosec B311 # spreads load


def is_up(ctxt: RequestContext, service_id: int) -> bool:
    """Whether the service reported lately; False for one that is gone."""
    found = _one(ctxt, _T.c.id == service_id)
    return bool(found and found.is_up)


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> objects.Service:
    """Register a service: host, binary, topic and so on.

    One that was removed, or that another process registered at the same moment, is taken over
    with the same uuid: volumes refer to it.
    """
    fresh = {'deleted': False, 'deleted_at': None, 'report_count': 0, 'disabled': False,
             'frozen': False, **values}
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [{**fresh, 'uuid': str(uuid.uuid4())}], ('host', 'binary'),
                     keep=('uuid',))
    return get_by_host_binary(ctxt, values['host'], values['binary'])


@session.retry_on_deadlock
def update(ctxt: RequestContext, service_id: int, values: Mapping[str, object]) -> None:
    """Change columns; updated_at, which only a heartbeat may move, stays.

    :raises ServiceNotFound: there is no such service.
    """
    done = changes.update_where(ctxt, _T, [_T.c.id == service_id, _T.c.deleted == sa.false()],
                      {'modified_at': session.utcnow(), 'updated_at': _T.c.updated_at, **values})
    if not done:
        raise exception.ServiceNotFound(service_id=service_id)


@session.retry_on_deadlock
def explain(ctxt: RequestContext, service_id: int, reason: str | None) -> None:
    """Say why an enabled service does not work; None: it does. Why an operator disabled one is
    his to say."""
    reason = reason and reason[:_REASON]
    changes.update_where(ctxt, _T, [
        _T.c.id == service_id, _T.c.deleted == sa.false(), _T.c.disabled == sa.false(),
        _T.c.disabled_reason.is_distinct_from(reason)],
        {'updated_at': _T.c.updated_at, 'disabled_reason': reason})


@session.retry_on_deadlock
def set_frozen(ctxt: RequestContext, service_id: int, frozen: bool) -> bool:
    """Freeze or thaw a back end; False where it was so already."""
    return changes.compare_and_swap(
        ctxt, _T, service_id, {'frozen': not frozen},
        {'modified_at': session.utcnow(), 'updated_at': _T.c.updated_at, 'frozen': frozen})


@session.retry_on_deadlock
def heartbeat(ctxt: RequestContext, service_id: int) -> None:
    """Note that the service lives, in the database's time.

    :raises ServiceNotFound: somebody removed the service.
    """
    if not changes.update_where(ctxt, _T, [_T.c.id == service_id, _T.c.deleted == sa.false()],
                      {'report_count': _T.c.report_count + 1}):
        raise exception.ServiceNotFound(service_id=service_id)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, service_id: int) -> None:
    """:raises ServiceNotFound: there is no such service."""
    if not changes.soft_delete(ctxt, _T, [_T.c.id == service_id]):
        raise exception.ServiceNotFound(service_id=service_id)


def minimum_versions(ctxt: RequestContext, binary: str) -> tuple[str | None, str | None]:
    """The lowest RPC and object versions that services of a kind told; None where none did."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(
            _T.c.rpc_current_version, _T.c.object_current_version).where(
                _T.c.binary == binary, _T.c.deleted == sa.false())).tuples().all()
    lowest = [min((version for version in column if version), default=None, key=_as_numbers)
              for column in zip(*rows, strict=True)] if rows else [None, None]
    return lowest[0], lowest[1]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.'))
