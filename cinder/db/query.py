# SPDX-License-Identifier: Apache-2.0
"""Keyset pages of a list: each page costs the same, wherever in the list it is.

A resource describes its list as a `Listing` (filters.py); changes.py has the writes. Statements
only depend on the shape of a request, and are cached.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import sqlalchemy as sa

from cinder import exception
from cinder.db import keyset, session
from cinder.db.filters import Condition, Listing, NoMatch, as_pairs, conditions_of

if TYPE_CHECKING:
    from cinder.context import RequestContext

__all__ = ['NoMatch', 'Options', 'Page', 'as_pairs', 'fetch', 'one']

DEFAULT_SORT = (('created_at', 'desc'),)
# Number of cached page statements. Requests can have any number of shapes, so those with more sort
# keys or conditions than clients use are not cached: a statement may take 100 KiB.
_SHAPES = 512
_KEPT_SORTS = 2
_KEPT_CONDITIONS = 6


class Options(TypedDict, total=False):
    """Arguments of a page, see fetch()."""

    filters: Mapping[str, object] | None
    limit: int | None
    marker: str | None
    offset: int
    sort: Sequence[tuple[str, str]] | None
    all_tenants: bool
    with_count: bool


class Page:
    """A page of a list.

    `rows` are dictionaries, created at the first access; fast renderers read `records`, tuples in
    the order of `names`. `sides` has the data of to-many relations: field -> (id -> value, factory
    of an empty value). `count` is the number of all matches, if requested.
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None, count: int | None = None, *,
                 names: Sequence[str] = (), records: Sequence[Sequence[Any]] = ()) -> None:
        self._rows = rows
        self.count = count
        self.names = tuple(names)
        self.records = records
        self.sides: dict[str, tuple[Mapping[str, object], Callable[[], object]]] = {}

    def __len__(self) -> int:
        return len(self.records) if self._rows is None else len(self._rows)

    @property
    def ids(self) -> list[str]:
        """The ids of the records, in their order."""
        where = self.names.index('id')
        return [record[where] for record in self.records]

    @property
    def rows(self) -> list[dict[str, Any]]:
        if self._rows is None:
            names = self.names
            self._rows = [dict(zip(names, record, strict=False)) for record in self.records]
            for name, (values, empty) in self.sides.items():
                for row in self._rows:
                    found = values.get(row['id'])
                    row[name] = empty() if found is None else found
        return self._rows


def fetch(ctxt: RequestContext, listing: Listing, *, filters: Mapping[str, object] | None = None,
          limit: int | None = None, marker: str | None = None, offset: int = 0,
          sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
          with_count: bool = False) -> Page:
    """Return a page of a list, read with one statement (and one more for the count).

    :param limit: maximum number of rows; None: all, 0: an empty page.
    :param marker: id of the last row of the previous page.
    :param all_tenants: rows of all projects; only for administrators.
    :raises MarkerNotFound: the row does not exist, or the caller cannot see it.
    :raises InvalidInput: a sort key or time filter is not valid.
    """
    if marker is not None and '\0' in marker:
        raise exception.MarkerNotFound(marker=marker)
    try:
        wanted = conditions_of(listing, filters) if filters else ()
    except NoMatch:
        return Page([], 0 if with_count else None)
    scope = (ctxt.is_admin and all_tenants, ctxt.is_admin)
    values = {'project_id': ctxt.project_id, 'marker': marker, 'limit': limit, 'offset': offset}
    walk = marker is not None and not _finds(listing, filters)
    with session.reader(ctxt) as conn:
        count = conn.execute(_among(wanted, _count(listing, *scope)),
                             values).scalar_one() if with_count else None
        if limit == 0:
            return Page([], count)
        result = _records(conn, listing, scope, wanted, sort or DEFAULT_SORT, values, walk)
        page = Page(count=count, names=tuple(result.keys()), records=result.all())
        if marker is not None and not page.records and not conn.execute(
                _marker(listing, scope[0]), values).first():
            raise exception.MarkerNotFound(marker=marker)
    return page


def _records(conn: sa.Connection, listing: Listing, scope: tuple[bool, bool],
             wanted: Sequence[Condition], sort: Sequence[tuple[str, str]],
             values: Mapping[str, Any], walk: bool) -> sa.CursorResult[Any]:
    order = tuple(map(tuple, sort))
    keep = len(order) <= _KEPT_SORTS and len(wanted) <= _KEPT_CONDITIONS
    build = _page if keep else _page.__wrapped__
    statement = build(listing, *scope, order, values['marker'] is not None,
                      values['limit'] is not None, bool(values['offset']),
                      conn.dialect.name not in ('mysql', 'mariadb'), walk)
    return conn.execute(_among(wanted, statement), values,
                        execution_options=None if keep else {'compiled_cache': None})


def _among(wanted: Sequence[Condition], statement: sa.Select[Any]) -> sa.Select[Any]:
    """Return a statement with more conditions; without any, the kept statement itself."""
    return statement.where(*wanted) if wanted else statement


def one(ctxt: RequestContext, conn: sa.Connection, listing: Listing, value: str | None,
        by: str = 'id') -> Page:
    """Return a page with the row of an id; empty if the caller cannot see such a row.

    :param by: another, unique, column to search.
    """
    if value is None or '\0' in value:
        return Page([])
    result = conn.execute(_one(listing, ctxt.is_admin, by),
                          {'value': value, 'project_id': ctxt.project_id})
    return Page(names=tuple(result.keys()), records=result.all())


def as_dicts(result: sa.CursorResult[Any]) -> list[dict[str, Any]]:
    """Return rows as dictionaries, which are faster than mappings if each field is read once."""
    keys = tuple(result.keys())
    return [dict(zip(keys, row, strict=False)) for row in result.all()]


# ------------------------------------------------------------------------------- statements
def scope_of(listing: Listing, everything: bool, is_admin: bool) -> list[Condition]:
    """Return conditions for the rows that a list shows; :project_id is that of the caller.

    :param everything: the rows of all projects.
    """
    conditions = _present(listing)
    if not everything:
        conditions.insert(0, listing.tenant)
    if not is_admin and listing.hidden is not None:
        conditions.append(~listing.hidden)
    return conditions


def _present(listing: Listing) -> list[Condition]:
    """Return the condition for rows that are not deleted, if the table keeps deleted ones."""
    return [listing.table.c.deleted == sa.false()] if 'deleted' in listing.table.c else []


@functools.lru_cache(_SHAPES)
def _one(listing: Listing, is_admin: bool, by: str) -> sa.Select[Any]:
    where = [listing.table.c[by] == sa.bindparam('value'), *_present(listing)]
    return listing.select.where(*where, *(() if is_admin else [listing.tenant]))


@functools.lru_cache(_SHAPES)
def _count(listing: Listing, everything: bool, is_admin: bool) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(listing.table).where(
        *scope_of(listing, everything, is_admin))


@functools.lru_cache(_SHAPES)
def _page(listing: Listing, everything: bool, is_admin: bool, sort: keyset.Sort, marker: bool,
          limit: bool, offset: bool, row_values: bool, walk: bool) -> sa.Select[Any]:
    order = keyset.ordering(listing, sort)
    statement = listing.select.where(*scope_of(listing, everything, is_admin))
    if marker:
        statement = statement.where(keyset.after(listing, order, everything, row_values))
    statement = statement.order_by(*(key.desc() if descending else key.asc()
                                     for key, descending in order))
    if walk:
        statement = _walking(statement, listing, everything)
    if limit:
        statement = statement.limit(sa.bindparam('limit', type_=sa.Integer))
    if offset:
        statement = statement.offset(sa.bindparam('offset', type_=sa.Integer))
    return statement


def _finds(listing: Listing, filters: Mapping[str, object] | None) -> bool:
    """Return whether an index finds the rows of a filter, so that the list is not scanned."""
    first = {index.columns[0].name for index in listing.table.indexes} - {'deleted', 'project_id'}
    return any(listing.aliases.get(name, name) in {'id', *first} for name in filters or ())


def _walking(statement: sa.Select[Any], listing: Listing, everything: bool) -> sa.Select[Any]:
    """Make MySQL begin at the marker; otherwise it scans the index from its end to the marker."""
    columns: tuple[str, ...] = ('deleted', 'created_at', 'id')
    if not everything and listing.visible is None:
        columns = ('project_id', *columns)
    for index in listing.table.indexes:
        if tuple(index.columns.keys()) == columns:
            for dialect in ('mysql', 'mariadb'):
                statement = statement.with_hint(listing.table, f'FORCE INDEX ({index.name})',
                                                dialect)
    return statement


@functools.lru_cache(_SHAPES)
def _marker(listing: Listing, everything: bool) -> sa.Select[Any]:
    return sa.select(listing.table.c.id).where(*keyset.is_marker(listing, everything))
