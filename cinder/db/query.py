# SPDX-License-Identifier: Apache-2.0
"""What all resources share: pages by keyset, filters, soft delete, compare-and-swap, upsert.

A resource describes its list as a `Listing`; column names of the API are mapped there.
"""
import ast
import dataclasses
import datetime
import operator
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa
from oslo_utils import strutils, timeutils
from sqlalchemy.dialects import mysql, postgresql, sqlite

from cinder import exception
from cinder.db import session
from cinder.objects import base, states

DEFAULT_SORT = (('created_at', 'desc'),)
_TIME_OPERATORS = {'gt': operator.gt, 'gte': operator.ge, 'eq': operator.eq, 'neq': operator.ne,
                   'lt': operator.lt, 'lte': operator.le}
_MAX_INT = 2 ** 31 - 1
_MYSQL = ('mysql', 'mariadb')

Condition = sa.ColumnElement[bool]


class NoMatch(Exception):  # noqa: N818 - not an error: the list is empty
    """A filter that no row can match."""


@dataclasses.dataclass(slots=True)
class Page:
    """Rows to render, as dictionaries; `count` of all matches where it was asked for."""

    rows: list[dict]
    count: int | None = None


@dataclasses.dataclass(frozen=True)
class Listing:
    """What the list of one table shows, filters and sorts by.

    :param aliases: name in the API -> column.
    :param metadata: filter -> (table, its column with our id): pairs that must all be there.
    :param special: filter -> function(value) -> condition.
    """

    table: sa.Table
    columns: Sequence[sa.ColumnElement]
    joins: sa.FromClause | None = None
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, tuple[sa.Table, sa.Column]] = dataclasses.field(default_factory=dict)
    special: Mapping[str, Callable[[object], Condition]] = dataclasses.field(default_factory=dict)

    def column(self, name: str) -> sa.Column:
        """:raises KeyError: neither a column nor an alias of one."""
        return self.table.c[self.aliases.get(name, name)]


def fetch(ctxt, listing: Listing, *, where: Iterable[Condition] = (),
          filters: Mapping[str, object] | None = None, limit: int | None = None,
          marker: str | None = None, offset: int = 0,
          sort: Sequence[tuple[str, str]] | None = None, with_count: bool = False,
          sees: Iterable[Condition] = ()) -> Page:
    """One page of a list, in one statement (one more for the count).

    :param where: conditions that are no filters of the caller.
    :param sees: conditions on what the caller may see; they hold for the marker too.
    :param limit: most rows; None is all, 0 an empty page.
    :param marker: id of the last row of the page before.
    :raises MarkerNotFound: no such row, or the caller may not see it.
    :raises InvalidInput: a sort key or time filter that is none.
    """
    table, sees = listing.table, tuple(sees)
    try:
        conditions = [*sees, *where, *conditions_of(listing, filters or {})]
    except NoMatch:
        return Page([], 0 if with_count else None)
    source = table if listing.joins is None else listing.joins
    statement = sa.select(*listing.columns).select_from(source).where(*conditions)
    order = _order(listing, sort or DEFAULT_SORT)
    count = None
    with session.reader(ctxt) as conn:
        if with_count:
            count = conn.execute(sa.select(sa.func.count()).select_from(table).where(
                *conditions)).scalar_one()
        if limit == 0:
            return Page([], count)
        if marker is not None:
            statement = statement.where(_after(conn, table, order, marker, sees))
        statement = statement.order_by(*(key.desc() if descending else key.asc()
                                         for key, descending, _ in order))
        if limit is not None:
            statement = statement.limit(limit)
        if offset:
            # MySQL has no OFFSET without a LIMIT; SQLAlchemy writes a huge one.
            statement = statement.offset(offset)
        rows = as_dicts(conn.execute(statement))
        if marker is not None and not rows:
            _check_marker(conn, table, marker, sees)
    return Page(rows, count)


def as_dicts(result: sa.CursorResult) -> list[dict]:
    """Rows as dictionaries: cheaper than mappings when each field is read once."""
    keys = tuple(result.keys())
    return [dict(zip(keys, row, strict=True)) for row in result.all()]


# ----------------------------------------------------------------------------------- keyset
def _order(listing: Listing, sort: Sequence[tuple[str, str]]) -> list[tuple]:
    """(expression, descending, column), unique and never NULL: NULLs count as smallest on all
    engines, and the id decides last."""
    order: list[tuple] = []
    for name, direction in sort:
        try:
            column = listing.column(name)
        except KeyError:
            raise exception.InvalidInput(reason=f'{name} is no sort key') from None
        descending = direction.lower() == 'desc'
        if column.nullable:
            # The index has the column itself, so times that every row has must not get here.
            order.append((sa.case((column.is_(None), 0), else_=1), descending, column))
            order.append((sa.func.coalesce(column, _smallest(column)), descending, column))
        else:
            order.append((column, descending, column))
    identity = listing.table.c.id
    if all(column is not identity for _, _, column in order):
        order.append((identity, order[-1][1], identity))
    return order


def _smallest(column: sa.Column) -> sa.ColumnElement:
    """Any value of the column's type: what NULL is taken for after NULLs are told apart."""
    values = {str: '', int: 0, bool: False, datetime.datetime: datetime.datetime(1970, 1, 1)}
    return sa.literal(values[column.type.python_type], column.type)


def _after(conn: sa.Connection, table: sa.Table, order: list[tuple], marker: str,
           sees: tuple[Condition, ...]) -> Condition:
    """Rows behind the marker in that order; its values are read in the same statement."""
    other = table.alias('marker')
    adapt = sa.sql.util.ClauseAdapter(other)
    here = [other.c.id == marker, *map(adapt.traverse, sees)]
    bounds = [sa.select(adapt.traverse(key)).where(*here).scalar_subquery()
              for key, _, _ in order]
    keys = [key for key, _, _ in order]
    directions = {descending for _, descending, _ in order}
    if len(directions) == 1 and conn.dialect.name not in _MYSQL:
        # One comparison of rows is one range of the index. MySQL reads the whole index for it,
        # but finds the ranges in the spelled-out form.
        left, right = sa.tuple_(*keys), sa.tuple_(*bounds)
        return left < right if directions.pop() else left > right
    behind = sa.false()
    for (key, descending, _), bound in zip(reversed(order), reversed(bounds), strict=True):
        beyond = key < bound if descending else key > bound
        behind = sa.or_(beyond, sa.and_(key == bound, behind))
    return behind


def _check_marker(conn: sa.Connection, table: sa.Table, marker: str,
                  sees: tuple[Condition, ...]) -> None:
    if conn.execute(sa.select(table.c.id).where(table.c.id == marker, *sees)).first() is None:
        raise exception.MarkerNotFound(marker=marker)


# ---------------------------------------------------------------------------------- filters
def conditions_of(listing: Listing, filters: Mapping[str, object]) -> list[Condition]:
    """The WHERE of the caller's filters.

    :raises NoMatch: an unknown name, or a value that no row can have.
    :raises InvalidInput: a time filter that is none.
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

    :raises InvalidInput: a bad operator or time.
    """
    found = []
    for part in str(value).split(','):
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
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise NoMatch from None
    if not isinstance(value, Mapping):
        raise NoMatch
    return {str(key): str(item) for key, item in value.items()}


def _pairs(table: sa.Table, side: sa.Table, owner: sa.Column, value: object) -> list[Condition]:
    return [sa.exists().where(owner == table.c.id, side.c.key == key, side.c.value == item)
            for key, item in as_pairs(value).items()]


# ------------------------------------------------------------------------------ transitions
@dataclasses.dataclass(frozen=True)
class Requirement:
    """A condition of a transition beside the status.

    :param holds: SQL condition on the row.
    :param otherwise: what to say where it does not hold.
    :param blockers: SELECT of what stands in the way, to be named; None where nothing does.
    """

    holds: Condition
    otherwise: str
    blockers: sa.Select | None = None


def transition(ctxt, table: sa.Table, rule: states.Transition, row_id: str,
               requirements: Sequence[Requirement], values: Mapping[str, object]) -> str | None:
    """Take a row through a transition in one UPDATE; None, or the reason why it may not.

    :param values: further columns to set; a status among them wins over the table's.
    :raises NotFound: there is no such row.
    """
    changes: dict[str, object] = {}
    status = values.get('status', rule.meanwhile)
    if status is not None:
        if 'previous_status' in table.c:
            changes['previous_status'] = table.c.status
        changes['status'] = status
    changes.update(values)
    where = [table.c.id == row_id, table.c.deleted == sa.false(),
             *(requirement.holds for requirement in requirements)]
    if rule.allowed is not None:
        where.append(table.c.status.in_(rule.allowed))
    if swap(ctxt, table, where, changes):
        return None
    with session.reader(ctxt) as conn:
        return _refusal(conn, table, rule, row_id, requirements)


def _refusal(conn: sa.Connection, table: sa.Table, rule: states.Transition, row_id: str,
             requirements: Sequence[Requirement]) -> str:
    status = conn.execute(sa.select(table.c.status).where(
        table.c.id == row_id, table.c.deleted == sa.false())).scalar()
    if status is None:
        raise exception.NotFound()
    kind = table.name.removesuffix('s')
    if rule.allowed is not None and status not in rule.allowed:
        return (f"{kind} {row_id} is in status '{status}' and must be in one of: "
                f"{', '.join(rule.allowed)}")
    for requirement in requirements:
        if conn.execute(sa.select(table.c.id).where(
                table.c.id == row_id, requirement.holds)).first():
            continue
        ids = () if requirement.blockers is None else conn.execute(
            requirement.blockers.where(table.c.id == row_id).limit(10)).scalars().all()
        return ' '.join([f'{kind} {row_id} {requirement.otherwise}', ', '.join(ids)]).strip()
    return f'{kind} {row_id} was changed by another request at the same time'


# ----------------------------------------------------------------------------------- writes
def of_project(ctxt, table: sa.Table) -> list[Condition]:
    """Rows that exist and that the caller may see: an administrator all, others their project's."""
    alive = [table.c.deleted == sa.false()]
    return alive if ctxt.is_admin else [table.c.project_id == ctxt.project_id, *alive]


def insert(conn: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> dict:
    """Insert a row; its values with what the database and the models added.

    One statement where the engine can return the time it stored, else two.
    """
    statement = table.insert().values({**values, 'created_at': session.utcnow()})
    key = list(table.primary_key)
    if conn.dialect.insert_returning:
        row = conn.execute(statement.returning(*table.c)).mappings().one()
    else:
        made = conn.execute(statement).inserted_primary_key
        row = conn.execute(sa.select(*table.c).where(
            *(column == value for column, value in zip(key, made, strict=True)))).mappings().one()
    return dict(row)


def compare_and_swap(ctxt, table: sa.Table, row_id: object, expected: Mapping[str, object],
                     values: Mapping[str, object]) -> bool:
    """Change a row that has the expected values, in one UPDATE; whether it had them.

    :param expected: column -> value, or a list or tuple of allowed values.
    """
    where = [table.c.id == row_id]
    for name, value in expected.items():
        column = table.c[name]
        many = isinstance(value, (list, tuple, set, frozenset))
        where.append(column.in_(value) if many else
                     column.is_(None) if value is None else column == value)
    if 'deleted' in table.c:
        where.append(table.c.deleted == sa.false())
    return swap(ctxt, table, where, values) == 1


def swap(ctxt, table: sa.Table, where: Sequence[Condition],
         values: Mapping[str, object]) -> int:
    """UPDATE the rows that fulfil all conditions; how many there were.

    The values are assigned in the given order, which MySQL goes by: a value may refer to a
    column that a later one changes.
    """
    ordered = [(table.c[name], value) for name, value in values.items()]
    if 'updated_at' not in values:
        ordered.append((table.c.updated_at, session.utcnow()))
    with session.writer(ctxt) as conn:
        return conn.execute(table.update().where(*where).ordered_values(*ordered)).rowcount


def soft_delete(ctxt, table: sa.Table, where: Sequence[Condition], **values: object) -> int:
    """Mark rows as deleted; how many there were."""
    return swap(ctxt, table, [table.c.deleted == sa.false(), *where],
                {**values, 'deleted': True, 'deleted_at': session.utcnow()})


def upsert(conn: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]],
           key: Sequence[str], keep: Sequence[str] = ()) -> None:
    """Insert rows, or change those whose key is there already, in one statement.

    :param key: columns of a unique constraint; all rows have the same columns.
    :param keep: columns that a row which is there already keeps.
    """
    if not rows:
        return
    changed = [name for name in rows[0] if name not in (*key, *keep)]
    now = session.utcnow()
    rows = [{**row, 'created_at': now} for row in rows]
    if conn.dialect.name in _MYSQL:
        statement = mysql.insert(table).values(rows)
        update = {name: statement.inserted[name] for name in changed}
        conn.execute(statement.on_duplicate_key_update({**update, 'updated_at': now}))
        return
    make = {'postgresql': postgresql.insert, 'sqlite': sqlite.insert}[conn.dialect.name]
    statement = make(table).values(rows)
    update = {name: statement.excluded[name] for name in changed}
    conn.execute(statement.on_conflict_do_update(
        index_elements=list(key), set_={**update, 'updated_at': now}))


def pairs_of(conn: sa.Connection, table: sa.Table, owner: sa.Column, row_id: str) -> dict:
    """The keys and values that `table` holds for one row."""
    return dict(conn.execute(sa.select(table.c.key, table.c.value).where(
        owner == row_id)).tuples().all())


def set_pairs(ctxt, table: sa.Table, owner: sa.Column, row_id: str,
              pairs: Mapping[str, str | None], replace: bool = False) -> dict:
    """Merge keys and values into those of one row, or replace them; all that it has then."""
    with session.writer(ctxt) as conn:
        if replace:
            conn.execute(table.delete().where(owner == row_id, table.c.key.not_in(list(pairs))))
        upsert(conn, table, [{owner.name: row_id, 'key': key, 'value': value}
                             for key, value in pairs.items()], (owner.name, 'key'))
        return dict(pairs) if replace else pairs_of(conn, table, owner, row_id)


def add_pairs(conn: sa.Connection, table: sa.Table, owner: sa.Column, row_id: str,
              pairs: Mapping[str, str | None]) -> None:
    """Keys and values of a row that is new."""
    if pairs:
        conn.execute(table.insert().values([
            {owner.name: row_id, 'key': key, 'value': value, 'created_at': session.utcnow()}
            for key, value in pairs.items()]))


def delete_pair(ctxt, table: sa.Table, owner: sa.Column, row_id: str, key: str) -> bool:
    """Remove one key of one row; whether it was there."""
    with session.writer(ctxt) as conn:
        return conn.execute(table.delete().where(
            owner == row_id, table.c.key == key)).rowcount > 0


def of_list(ctxt, table: sa.Table, all_tenants: bool) -> list[Condition]:
    """Rows that a list shows: the caller's project's, or an administrator's wish for all."""
    alive = [table.c.deleted == sa.false()]
    if all_tenants and ctxt.is_admin:
        return alive
    return [table.c.project_id == ctxt.project_id, *alive]


def with_id(values: Mapping[str, object]) -> dict[str, object]:
    """The values with a new id, unless they have one."""
    return {'id': str(uuid.uuid4()), **values}


def follow(resource: base.CinderObject, rule: states.Transition,
           values: Mapping[str, object]) -> None:
    """Let an object show what transition() did to its row.

    A transaction that is run again must not take its own first try for the previous status.
    """
    status = values.get('status', rule.meanwhile)
    changes = dict(values)
    if status is not None and resource.status != status:
        if 'previous_status' in resource.fields:
            changes['previous_status'] = resource.status
        changes['status'] = status
    for name, value in changes.items():
        if name in resource.fields and not isinstance(value, sa.ClauseElement):
            setattr(resource, name, value)
    resource.obj_reset_changes(changes)
