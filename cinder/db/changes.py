# SPDX-License-Identifier: Apache-2.0
"""Writes rows: insert, compare-and-swap, soft delete, upsert."""
import functools
import importlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import functions, models, recording, session
from cinder.db.filters import Condition

_OPERATIONS = models.Operation.__table__
# For statements that are cached by their parts.
_NOW = session.utcnow()


class Kept(tuple[Condition, ...]):
    """Conditions that are created once, so that statements with them are cached."""


def with_id(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values with a new id, unless they have one."""
    return {'id': str(uuid.uuid4()), **values}


def insert(conn: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> dict:
    """Insert a row; return its values, including those that the database and the models add.

    One statement if the engine can return the time that it stored, otherwise two.
    """
    computed = {name: value for name, value in values.items()
                if isinstance(value, sa.ClauseElement)}
    now = tuple(name for name, value in computed.items() if isinstance(value, session.utcnow))
    statement = _insert(table, conn.dialect.insert_returning, now)
    if len(computed) > len(now):
        statement = statement.values(computed)
    result = conn.execute(statement, {name: value for name, value in values.items()
                                      if name not in computed})
    if conn.dialect.insert_returning:
        row = result.mappings().one()
    else:
        key, made = table.primary_key, result.inserted_primary_key
        row = conn.execute(sa.select(*table.c).where(
            *(column == value for column, value in zip(key, made, strict=True)))).mappings().one()
    if table in recording.RECORDED:
        recording.note(conn, table, [row['id']], recording.CREATE)
    return dict(row)


@functools.cache
def _insert(table: sa.Table, returning: bool, now: tuple[str, ...]) -> sa.Insert:
    """:param now: columns that get the time of the database."""
    statement = table.insert().values(dict.fromkeys(('created_at', *now), _NOW))
    return statement.returning(*table.c) if returning else statement


def compare_and_swap(ctxt: RequestContext, table: sa.Table, row_id: object,
                     expected: Mapping[str, object], values: Mapping[str, object]) -> bool:
    """Change a row if it has the expected values, with one UPDATE; return whether it had them.

    :param expected: column -> value, or a list or tuple of allowed values.
    """
    return update_where(ctxt, table, [], values, {'id': row_id, **expected}) == 1


def include_in_cluster(ctxt: RequestContext, table: sa.Table, host: str, cluster: str) -> int:
    """Set the cluster, with the pool of the host appended, in the rows of a back end that are not
    in it; return the number of changes.

    :param host: 'host@backend'
    :param cluster: 'cluster@backend'
    """
    place = sa.literal(cluster).concat(sa.func.substr(table.c.host, len(host) + 1))
    return update_where(ctxt, table, [
        *_present(table), _of_host(table, host),
        sa.func.coalesce(table.c.cluster_name, '') != place], {'cluster_name': place})


def take_out_of_cluster(ctxt: RequestContext, table: sa.Table, host: str) -> int:
    """Remove the cluster from the rows of a back end; return the number of changes.

    :param host: 'host@backend'
    """
    return update_where(ctxt, table, _in_any_cluster(table, host), {'cluster_name': None})


@functools.lru_cache(64)
def _in_any_cluster(table: sa.Table, host: str) -> Kept:
    return Kept([*_present(table), _of_host(table, host), table.c.cluster_name.is_not(None)])


def _present(table: sa.Table) -> list[Condition]:
    """Return the condition for rows that are not deleted, if the table keeps deleted ones."""
    return [table.c.deleted == sa.false()] if 'deleted' in table.c else []


def _of_host(table: sa.Table, host: str) -> Condition:
    return sa.or_(table.c.host == host, functions.begins(table.c.host, f'{host}#'))


def update_where(ctxt: RequestContext, table: sa.Table, where: Sequence[Condition],
                 values: Mapping[str, object], match: Mapping[str, object] | None = None) -> int:
    """Change the rows that match all conditions; return their number.

    The values are assigned in the given order, as MySQL does: a value may refer to a column that a
    later one changes.

    :param where: a Kept, for a statement that is cached, or any other conditions.
    :param match: column -> value, or a list or tuple of allowed values, of rows that are not
        deleted.
    """
    computed = {name: _NOW if isinstance(value, session.utcnow) else value
                for name, value in values.items() if isinstance(value, sa.ClauseElement)}
    given = {f'set_{name}': value for name, value in values.items() if name not in computed}
    given |= {f'is_{name}': value if _comparison(value) == 'one' else list(value)
              for name, value in (match or {}).items() if value is not None}
    build = _update
    if not all(value is _NOW or isinstance(value, sa.Column) for value in computed.values()):
        build = _update.__wrapped__
    kept, others = (where, ()) if isinstance(where, Kept) else (Kept(), where)
    statement = build(table, tuple((name, computed.get(name)) for name in values),
                      None if match is None else tuple(
                          (name, _comparison(value)) for name, value in match.items()), kept)
    if others:
        statement = statement.where(*others)
    ident = (match or {}).get('id')
    with session.writer(ctxt) as conn:
        if not recording.is_followed(table, values):
            return conn.execute(statement, given).rowcount
        if isinstance(ident, str) and 'project_id' not in values:
            number, ids = conn.execute(statement, given).rowcount, [ident]
        else:
            ids = _update_followed(ctxt, conn, table, statement, given, 'project_id' in values)
            number = len(ids)
        if number:
            recording.note_values(conn, table, ids, values)
        return number


def _update_followed(ctxt: RequestContext, conn: sa.Connection, table: sa.Table,
                     statement: sa.Update, given: Mapping[str, object],
                     moves: bool) -> Sequence[str]:
    """Change rows whose ids the caller does not know; return them.

    :param moves: the rows move to another project.
    """
    if conn.dialect.update_returning and not moves:
        return conn.execute(statement.returning(table.c.id), given).scalars().all()
    match = {name: value for name, value in given.items() if name.startswith('is_')}
    ids = conn.execute(sa.select(table.c.id).where(
        statement.whereclause).with_for_update(), match).scalars().all()
    if ids:
        if moves:
            recording.leave(ctxt, conn, table, ids)
        conn.execute(statement.where(table.c.id.in_(ids)), given)
    return ids


@functools.lru_cache(512)
def _update(table: sa.Table, values: tuple[tuple[str, sa.ClauseElement | None], ...],
            match: tuple[tuple[str, str], ...] | None, kept: Kept) -> sa.Update:
    """Return an UPDATE that sets columns to an expression or, if that is None, to the parameter
    :set_NAME; cached, because building and compiling take as long as executing.

    :param match: columns and how each is compared with the parameter :is_NAME, see _COMPARISONS.
    """
    ordered = [(table.c[name], sa.bindparam(f'set_{name}', type_=table.c[name].type)
                if value is None else value) for name, value in values]
    if 'updated_at' not in dict(values):
        ordered.append((table.c.updated_at, session.utcnow()))
    statement = table.update().ordered_values(*ordered).where(*kept)
    if match is None:
        return statement
    where = [_COMPARISONS[how](table.c[name], f'is_{name}') for name, how in match]
    if 'deleted' in table.c:
        where.append(table.c.deleted == sa.false())
    return statement.where(*where)


# How a column is compared with a parameter.
_COMPARISONS: dict[str, Callable[[sa.Column, str], Condition]] = {
    'null': lambda column, _parameter: column.is_(None),
    'one': lambda column, parameter: column == sa.bindparam(parameter, type_=column.type),
    'some': lambda column, parameter: column.in_(
        sa.bindparam(parameter, type_=column.type, expanding=True)),
}


def _comparison(value: object) -> str:
    """Return the key of _COMPARISONS for an expected value."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return 'some'
    return 'null' if value is None else 'one'


def fail_rows(ctxt: RequestContext, table: sa.Table, members: Condition, meanwhile: str,
              idle: bool) -> list[dict]:
    """Set the rows among `members` in the status `meanwhile` to error; return the former rows.

    :param idle: exclude those with an operation of their own.
    """
    where = [members, table.c.deleted == sa.false(), table.c.status == meanwhile]
    if idle:
        where.append(~sa.exists().where(_OPERATIONS.c.resource_id == table.c.id,
                                        _OPERATIONS.c.state.in_(('queued', 'running'))))
    with session.writer(ctxt) as conn:
        rows = [dict(row) for row in conn.execute(
            sa.select(*table.c).where(*where)).mappings()]
        if rows:
            update_where(ctxt, table, [table.c.id.in_([row['id'] for row in rows])],
                         {'status': 'error'})
    return rows


def soft_delete(ctxt: RequestContext, table: sa.Table, where: Sequence[Condition],
                match: Mapping[str, object] | None = None, **values: object) -> int:
    """Mark rows as deleted; return their number.

    :param where: see update_where(), as for `match`.
    """
    return update_where(ctxt, table, where,
                        {**values, 'deleted': True, 'deleted_at': session.utcnow()}, match or {})


@functools.cache
def _insert_of(dialect: str) -> Callable[[sa.Table], Any]:
    """Return the INSERT of a dialect, imported on demand: each takes megabytes."""
    name = {'mariadb': 'mysql'}.get(dialect, dialect)
    return importlib.import_module(f'sqlalchemy.dialects.{name}').insert


def upsert(conn: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]],
           key: Sequence[str], keep: Sequence[str] = ()) -> None:
    """Insert rows, or change those whose key exists, with one statement.

    :param key: columns of a unique constraint; all rows have the same columns.
    :param keep: columns that existing rows keep.
    """
    if not rows:
        return
    names, dialect = tuple(rows[0]), conn.dialect.name
    if len(rows) == 1 and not any(isinstance(value, sa.ClauseElement)
                                  for value in rows[0].values()):
        conn.execute(_upsert_one(dialect, table, names, tuple(key), tuple(keep)), rows[0])
        return
    statement = _insert_of(dialect)(table).values(
        [{**row, 'created_at': _NOW} for row in rows])
    conn.execute(_or_change(statement, names, key, keep))


@functools.lru_cache(64)
def _upsert_one(dialect: str, table: sa.Table, names: tuple[str, ...], key: tuple[str, ...],
                keep: tuple[str, ...]) -> sa.Insert:
    """Return the statement whose parameters are the values of the columns `names`."""
    # Without inline(), the new primary key would be returned.
    return _or_change(_insert_of(dialect)(table).values(created_at=_NOW).inline(),
                      names, key, keep)


def _or_change(statement: Any, names: Sequence[str], key: Sequence[str],
               keep: Sequence[str]) -> sa.Insert:
    """Return an INSERT that changes the row whose key exists."""
    changed = [name for name in names if name not in (*key, *keep)]
    if hasattr(statement, 'on_duplicate_key_update'):
        update = {name: statement.inserted[name] for name in changed}
        return statement.on_duplicate_key_update({**update, 'updated_at': _NOW})
    update = {name: statement.excluded[name] for name in changed}
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={**update, 'updated_at': _NOW})
