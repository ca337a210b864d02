# SPDX-License-Identifier: Apache-2.0
"""Converts filters of a list to SQL conditions.

The API decides which filters a request may use; here every column is one.
"""
import dataclasses
import datetime
import functools
import operator
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from oslo_utils import strutils, timeutils

from cinder import exception, literals

Condition = sa.ColumnElement[bool]

_TIME_OPERATORS = {'gt': operator.gt, 'gte': operator.ge, 'eq': operator.eq, 'neq': operator.ne,
                   'lt': operator.lt, 'lte': operator.le}
_MAX_INT = 2 ** 31 - 1
# Each costs a subquery or a comparison for each row, and a request may have thousands.
MOST_PAIRS = 32
MOST_TIMES = 8


class NoMatch(Exception):  # noqa: N818 - not an error: the list is empty
    """A filter that no row matches."""


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
    """The columns, filters and sort keys of the list of one table.

    :param columns: columns to read.
    :param joins: the table joined with those of the other `columns`.
    :param aliases: name in the API -> column.
    :param metadata: filter -> (table, its column with our id): pairs that must all match.
    :param special: filter -> function(value) -> condition.
    :param visible: rows that non-administrators see, by :project_id; default: the rows of their
        project.
    :param hidden: filters that only administrators can use.
    """

    table: sa.Table
    columns: Sequence[sa.ColumnElement]
    joins: sa.FromClause | None = None
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, tuple[sa.Table, sa.Column]] = dataclasses.field(default_factory=dict)
    special: Mapping[str, Callable[[object], Condition]] = dataclasses.field(default_factory=dict)
    visible: Condition | None = None
    hidden: Condition | None = None

    @functools.cached_property
    def tenant(self) -> Condition:
        """Return the condition for the rows that the project :project_id sees."""
        if self.visible is not None:
            return self.visible
        return self.table.c.project_id == sa.bindparam('project_id')

    @functools.cached_property
    def select(self) -> sa.Select:
        """Return the SELECT of all rows; cached, because naming each column takes time."""
        return sa.select(*self.columns).select_from(
            self.table if self.joins is None else self.joins)

    def column(self, name: str) -> sa.Column:
        """Return a column; :raises KeyError: the name is neither a column nor an alias."""
        return self.table.c[self.aliases.get(name, name)]


def conditions_of(listing: Listing, filters: Mapping[str, object]) -> list[Condition]:
    """Return the WHERE conditions of filters.

    :raises NoMatch: a name is unknown, or no row can have the value.
    :raises InvalidInput: a time filter is not valid, or a filter has too many parts.
    """
    found: list[Condition] = []
    for name, value in filters.items():
        if isinstance(value, str) and '\0' in value:
            raise NoMatch
        if name in listing.special:
            found.append(listing.special[name](value))
        elif name in listing.metadata:
            found += _pairs(listing.table, *listing.metadata[name], value)
        else:
            found.append(_plain(listing, name, value))
    return found


def _plain(listing: Listing, name: str, value: object) -> Condition:
    try:
        column = listing.column(name.removesuffix('~'))
    except KeyError:
        raise NoMatch from None
    if name.endswith('~'):
        return sa.func.lower(column).contains(str(value).lower(), autoescape=True)
    if value is None:
        return column.is_(None)
    if isinstance(column.type, sa.DateTime):
        return sa.and_(*(compare(column, moment) for compare, moment in time_filter(value)))
    if isinstance(value, (list, tuple, set, frozenset)):
        return column.in_([_typed(column, each) for each in value])
    return column == _typed(column, value)


def _typed(column: sa.Column, value: object) -> object:
    """Convert a value to the type of the column: engines compare different types differently."""
    try:
        if isinstance(column.type, sa.Boolean):
            return strutils.bool_from_string(value, strict=True)
        if isinstance(column.type, sa.Integer):
            number = int(value)
            if abs(number) > _MAX_INT:
                raise NoMatch
            return number
    except (TypeError, ValueError):
        raise NoMatch from None
    return str(value)


def time_filter(value: object) -> list[tuple[Callable, datetime.datetime]]:
    """Parse 'gt:2024-01-02T03:04:05,lt:...' to comparisons; a time alone means equal.

    :raises InvalidInput: an operator or time is not valid, or there are more than MOST_TIMES.
    """
    found = []
    parts = str(value).split(',')
    if len(parts) > MOST_TIMES:
        raise exception.InvalidInput(
            reason=f'{len(parts)} time comparisons in one filter; at most {MOST_TIMES} are allowed')
    for part in parts:
        name, _, text = part.strip().partition(':')
        if name not in _TIME_OPERATORS:
            name, text = 'eq', part.strip()
        try:
            moment = timeutils.normalize_time(timeutils.parse_isotime(text))
        except (ValueError, OverflowError):
            raise exception.InvalidInput(reason=f'{part!r} is not a time filter') from None
        found.append((_TIME_OPERATORS[name], moment))
    return found


def as_pairs(value: object) -> dict[str, str]:
    """Convert a dictionary, or the text of one.

    :raises NoMatch: the value is not a dictionary.
    """
    if isinstance(value, str):
        value = literals.literal_dict(value)
    if not isinstance(value, Mapping):
        raise NoMatch
    return {str(key): str(item) for key, item in value.items()}


def _pairs(table: sa.Table, side: sa.Table, owner: sa.Column, value: object) -> list[Condition]:
    pairs = as_pairs(value)
    if len(pairs) > MOST_PAIRS:
        raise exception.InvalidInput(
            reason=f'{len(pairs)} pairs in one filter; at most {MOST_PAIRS} are allowed')
    return [sa.exists().where(owner == table.c.id, side.c.key == key, side.c.value == item)
            for key, item in pairs.items()]
