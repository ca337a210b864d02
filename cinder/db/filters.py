# SPDX-License-Identifier: Apache-2.0
"""What a caller may filter a list by, turned into SQL conditions.

Which names a request may use is decided by the API; here every column is one.
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
# Each costs a subquery or a comparison for each row, and a caller may send thousands.
MOST_PAIRS = 32
MOST_TIMES = 8


class NoMatch(Exception):  # noqa: N818 - not an error: the list is empty
    """A filter that no row can match."""


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
    """What the list of one table shows, filters and sorts by.

    :param columns: what is read of each row.
    :param joins: the table with what else `columns` come from.
    :param aliases: name in the API -> column.
    :param metadata: filter -> (table, its column with our id): pairs that must all be there.
    :param special: filter -> function(value) -> condition.
    :param visible: what others than administrators see, by :project_id; rows of their own
        project where nothing is said.
    :param hidden: what only an administrator sees.
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
        """Condition on what the project :project_id sees."""
        if self.visible is not None:
            return self.visible
        return self.table.c.project_id == sa.bindparam('project_id')

    @functools.cached_property
    def select(self) -> sa.Select:
        """SELECT of all rows; made once, as naming each column anew takes its time."""
        return sa.select(*self.columns).select_from(
            self.table if self.joins is None else self.joins)

    def column(self, name: str) -> sa.Column:
        """:raises KeyError: neither a column nor an alias of one."""
        return self.table.c[self.aliases.get(name, name)]


def conditions_of(listing: Listing, filters: Mapping[str, object]) -> list[Condition]:
    """The WHERE of the caller's filters.

    :raises NoMatch: an unknown name, or a value that no row can have.
    :raises InvalidInput: a time filter that is none, or a filter with too many parts.
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
    """The value in the type of the column: engines disagree about comparing different types."""
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
    """'gt:2024-01-02T03:04:05,lt:...' as comparisons; a time alone means equal.

    :raises InvalidInput: a bad operator or time, or more than MOST_TIMES comparisons.
    """
    found = []
    parts = str(value).split(',')
    if len(parts) > MOST_TIMES:
        raise exception.InvalidInput(
            reason=f'{len(parts)} time comparisons in one filter; at most {MOST_TIMES} are taken')
    for part in parts:
        name, _, text = part.strip().partition(':')
        if name not in _TIME_OPERATORS:
            name, text = 'eq', part.strip()
        try:
            moment = timeutils.normalize_time(timeutils.parse_isotime(text))
        except (ValueError, OverflowError):
            raise exception.InvalidInput(reason=f'{part!r} is no time filter') from None
        found.append((_TIME_OPERATORS[name], moment))
    return found


def as_pairs(value: object) -> dict[str, str]:
    """A dictionary, or the text of one.

    :raises NoMatch: it is none.
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
            reason=f'{len(pairs)} pairs in one filter; at most {MOST_PAIRS} are taken')
    return [sa.exists().where(owner == table.c.id, side.c.key == key, side.c.value == item)
            for key, item in pairs.items()]
