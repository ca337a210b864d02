# SPDX-License-Identifier: Apache-2.0
"""The order of a list, and the start of its next page, as SQL conditions (keyset paging)."""
from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from cinder import exception
from cinder.db.filters import Condition, Listing

# (name, 'asc' or 'desc') of each sort key.
Sort = tuple[tuple[str, str], ...]
# (expression, whether descending) of each column of the order.
Order = list[tuple[sa.ColumnElement[Any], bool]]


def ordering(listing: Listing, sort: Sort) -> Order:
    """Return [(expression, descending)], together unique and never NULL: NULL is the smallest value
    on all engines, and the id is last."""
    order: Order = []
    for name, direction in sort:
        try:
            column = listing.column(name)
        except KeyError:
            raise exception.InvalidInput(reason=f'{name} is not a sort key') from None
        descending = direction.lower() == 'desc'
        if column.nullable:
            order.append((sa.case((column.is_(None), 0), else_=1), descending))
            order.append((sa.func.coalesce(column, _smallest(column)), descending))
        else:
            # The index has the plain column, so times that are never NULL must be plain too.
            order.append((column, descending))
    identity = listing.table.c.id
    if all(key is not identity for key, _ in order):
        order.append((identity, order[-1][1]))
    return order


def _smallest(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a value of the type of the column that replaces NULL, after NULLs are separated."""
    values = {str: '', int: 0, bool: False, datetime.datetime: datetime.datetime(1970, 1, 1)}
    return sa.literal(values[column.type.python_type], column.type)


def after(listing: Listing, order: Order, everything: bool, row_values: bool) -> Condition:
    """Return the condition for rows after :marker, whose values the same statement reads.

    :param row_values: whether the engine uses an index for comparisons of rows. MySQL scans the
        whole index for them, but finds the ranges of the expanded form.
    """
    bounds = _bounds(listing, order, everything)
    directions = {descending for _, descending in order}
    if len(directions) == 1 and row_values:
        left, right = sa.tuple_(*(key for key, _ in order)), sa.tuple_(*bounds)
        return left < right if directions.pop() else left > right
    steps: list[Condition] = []
    for (key, descending), bound in zip(order, bounds, strict=True):
        same = [earlier == other_bound for (earlier, _), other_bound
                in zip(order[:len(steps)], bounds, strict=False)]
        steps.append(sa.and_(*same, key < bound if descending else key > bound))
    return sa.or_(*steps)


def _bounds(listing: Listing, order: Order, everything: bool) -> list[sa.ColumnElement[Any]]:
    """Return the values of the row of :marker, as subqueries."""
    other = listing.table.alias('marker_row')
    adapt = sa.sql.util.ClauseAdapter(other).traverse
    here = [adapt(condition) for condition in is_marker(listing, everything)]
    bounds: list[sa.ColumnElement[Any]] = [
        sa.select(adapt(key)).where(*here).scalar_subquery() for key, _ in order]
    if len(order) > 1 and order[-1][0] is listing.table.c.id:
        # With a plain value, SQLite uses the index for the id too.
        bounds[-1] = sa.bindparam('marker')
    return bounds


def is_marker(listing: Listing, everything: bool) -> list[Condition]:
    """Return the condition for the row of :marker, if the caller may see it.

    A row that was deleted meanwhile is still a valid marker.
    """
    found = [listing.table.c.id == sa.bindparam('marker')]
    return found if everything else [*found, listing.tenant]
