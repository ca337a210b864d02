# SPDX-License-Identifier: Apache-2.0
"""The SQL of the space that is promised to volumes, by all schedulers together.

The table `pools` has, for each pool, the GiB that were ever promised to it: a count that only
grows. It grows in the transaction that stores the promise: the place of a new volume, an extend, a
migration. What a report of the pool does not contain yet is this count minus that of the report,
which a back end computes before it measures its storage: the count of that time, minus the sum over
the volumes whose work had not ended.
"""
import functools
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import backend_volumes, changes, models, session, types
from cinder.objects.types import wants_thick

_T = models.Pool.__table__
_VOLUMES = models.Volume.__table__
_OPERATIONS = models.Operation.__table__
_UNFINISHED = (_OPERATIONS.c.stage == 'execute', _OPERATIONS.c.state.in_(('queued', 'running')))
# Stands for no limit.
_MOST = 2 ** 62


class SpaceTaken(Exception):
    """The space that a decision relied on was promised to another volume meanwhile."""


class Gib(NamedTuple):
    """GiB of volumes, and of thick ones among them."""

    all: int
    thick: int

    def plus(self, other: 'Gib') -> 'Gib':
        """Return the sum."""
        return Gib(self.all + other.all, self.thick + other.thick)

    def minus(self, other: 'Gib') -> 'Gib':
        """Return the difference."""
        return Gib(self.all - other.all, self.thick - other.thick)


class Promise(NamedTuple):
    """Space of a pool for a volume.

    `most` are the largest counts of the pool with which the volume still fits; None: any.
    """

    pool: str
    gib: Gib
    most: tuple[int | None, int | None] = (None, None)


class Open(NamedTuple):
    """A promise whose work has not ended."""

    verb: str
    volume_id: str
    pool: str
    gib: Gib


def pool_of(place: Mapping) -> str | None:
    """Return the pool of a volume, or of other columns of a place: that of its cluster, if it has
    one, otherwise that of its host; None: it has no place."""
    return place['cluster_name'] or place['host']


def for_volume(volume: objects.Volume, gib: int) -> Promise:
    """Return a promise for GiB of a volume, in its pool, whether there is space or not."""
    specs = volume.volume_type.extra_specs if volume.volume_type is not None else {}
    return Promise(pool_of(volume) or '', Gib(gib, gib if wants_thick(specs or {}) else 0))


# ------------------------------------------------------------------------------------ promises
def promise(ctxt: RequestContext, wanted: Promise) -> None:
    """Promise space; must be called in the transaction that stores for what, near its end: others
    wait until the commit.

    A pool without a row has no report that counts promises, and needs no promise.

    :raises SpaceTaken: so much was promised meanwhile that it does not fit, or no row exists.
    """
    most = [_MOST if limit is None else limit for limit in wanted.most]
    with session.writer(ctxt) as conn:
        grown = conn.execute(_GROW, {
            'pool': wanted.pool, 'gib': wanted.gib.all, 'thick': wanted.gib.thick,
            'most': most[0], 'most_thick': most[1]}).rowcount
    if not grown and wanted.most != (None, None):
        raise SpaceTaken()


_GROW = _T.update().where(
    _T.c.name == sa.bindparam('pool'), _T.c.promised <= sa.bindparam('most'),
    _T.c.promised_thick <= sa.bindparam('most_thick')).values(
        promised=_T.c.promised + sa.bindparam('gib'),
        promised_thick=_T.c.promised_thick + sa.bindparam('thick'), updated_at=session.utcnow())


@session.retry_on_deadlock
def add(ctxt: RequestContext, names: Collection[str]) -> None:
    """Insert the rows of pools; existing ones are kept."""
    with session.writer(ctxt) as conn:
        changes.upsert(conn, _T, [{'name': name, 'promised': 0, 'promised_thick': 0}
                                  for name in sorted(names)], ('name',),
                       keep=('promised', 'promised_thick'))


def counts(ctxt: RequestContext, names: Collection[str]) -> dict[str, Gib]:
    """Return pool -> GiB that were ever promised to it, of those that have a row."""
    return _counts(ctxt, _COUNTS.where(_T.c.name.in_(tuple(names))))


def counts_of_backend(ctxt: RequestContext, backend: str) -> dict[str, Gib]:
    """Return the same for all pools of 'host@backend' or 'cluster@backend'."""
    return _counts(ctxt, _counts_of_backend(backend))


_COUNTS = sa.select(_T.c.name, _T.c.promised, _T.c.promised_thick)


@functools.lru_cache(64)
def _counts_of_backend(backend: str) -> sa.Select:
    return _COUNTS.where(backend_volumes.is_at(_T.c.name, backend))


def _counts(ctxt: RequestContext, statement: sa.Select) -> dict[str, Gib]:
    with session.reader(ctxt) as conn:
        return {name: Gib(promised, thick)
                for name, promised, thick in conn.execute(statement).all()}


# -------------------------------------------------------------------- promises not yet fulfilled
def list_open(ctxt: RequestContext, host: str, cluster: str | None) -> list[Open]:
    """Return the promises of a back end whose work has not ended.

    A migration counts until the row of its target exists, which counts from then on. These are read
    first: a target that is inserted between the statements may count twice, but never not at all.

    :param host: 'host@backend'
    :param cluster: 'cluster@backend'
    """
    backend = cluster or host
    with session.reader(ctxt) as conn:
        rows = [*_moves(conn, backend), *conn.execute(_work(host, cluster)).all(),
                *conn.execute(_copies(host, cluster)).all()]
    thick = functools.lru_cache(None)(functools.partial(_is_thick, ctxt))
    return [Open(verb, volume_id, pool, Gib(gib, gib if thick(type_id) else 0))
            for verb, volume_id, pool, gib, type_id in rows if pool and gib]


def _is_thick(ctxt: RequestContext, type_id: str | None) -> bool:
    if type_id is None:
        return False
    try:
        return wants_thick(types.get(ctxt.elevated(), type_id).extra_specs or {})
    except exception.VolumeTypeNotFound:
        return False


_PLACE = sa.func.coalesce(_VOLUMES.c.cluster_name, _VOLUMES.c.host)


@functools.lru_cache(64)
def _work(host: str, cluster: str | None) -> sa.Select:
    """Return the SELECT of volumes that are created or extended."""
    gib = sa.case((_OPERATIONS.c.verb == 'volume.extend', _VOLUMES.c.growth),
                  else_=_VOLUMES.c.size)
    return sa.select(_OPERATIONS.c.verb, _VOLUMES.c.id, _PLACE, gib,
                     _VOLUMES.c.volume_type_id).where(
        *_UNFINISHED, _OPERATIONS.c.verb.in_(('volume.create', 'volume.extend')),
        _of_backend(host, cluster), _VOLUMES.c.id == _OPERATIONS.c.resource_id,
        _VOLUMES.c.deleted == sa.false())


@functools.lru_cache(64)
def _copies(host: str, cluster: str | None) -> sa.Select:
    """Return the SELECT of volumes that are created with a copy of a group."""
    return sa.select(_OPERATIONS.c.verb, _VOLUMES.c.id, _PLACE, _VOLUMES.c.size,
                     _VOLUMES.c.volume_type_id).where(
        *_UNFINISHED, _OPERATIONS.c.verb == 'group.copy', _of_backend(host, cluster),
        _VOLUMES.c.group_id == _OPERATIONS.c.resource_id, _VOLUMES.c.status == 'creating',
        _VOLUMES.c.deleted == sa.false())


def _of_backend(host: str, cluster: str | None) -> sa.ColumnElement[bool]:
    if cluster is None:
        return _OPERATIONS.c.host == host
    return sa.or_(_OPERATIONS.c.host == host, _OPERATIONS.c.cluster == cluster)


def _moves(conn: sa.Connection, backend: str) -> list[tuple]:
    """Return rows as those of _work() for migrations to a back end that have no target yet."""
    found = []
    for verb, text, size, type_id in conn.execute(_MOVES).all():
        arguments = json.loads(text or '{}')
        place = arguments.get('destination')
        pool = pool_of(place) if place else None
        if pool and pool.partition('#')[0] == backend:
            found.append((arguments.get('target_id'), (
                verb, arguments.get('target_id'), pool, size,
                arguments.get('new_type_id') or type_id)))
    begun = set(conn.execute(sa.select(_VOLUMES.c.id).where(_VOLUMES.c.id.in_(
        [target_id for target_id, _row in found]))).scalars()) if found else ()
    return [row for target_id, row in found if target_id not in begun]


_MOVES = sa.select(
    _OPERATIONS.c.verb, _OPERATIONS.c.arguments, _VOLUMES.c.size,
    _VOLUMES.c.volume_type_id).where(
        *_UNFINISHED, _OPERATIONS.c.verb.in_(('volume.migrate', 'volume.retype')),
        _VOLUMES.c.id == _OPERATIONS.c.resource_id)
