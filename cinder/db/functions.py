# SPDX-License-Identifier: Apache-2.0
"""SQL expressions that differ between engines: the clock, conditions on lists of ids, and the keys
and values of another table as one column."""
import json
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

# Function that engines.py adds to SQLite: the current time plus a number of seconds.
SQLITE_NOW = 'utc_in'


class in_seconds(FunctionElement):
    """SQL expression: the time of the database, naive UTC with microseconds, plus `seconds`."""

    type = sa.DateTime()
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(sa.literal(float(seconds), sa.Float()))


class utcnow(FunctionElement):
    """SQL expression: the time of the database, naive UTC with microseconds."""

    type = sa.DateTime()
    inherit_cache = True


# now() of PostgreSQL is the start of the transaction; leases need the time of the statement.
@compiles(utcnow, 'postgresql')
def _(element: utcnow, compiler: 'SQLCompiler', **kw: object) -> str:
    return "timezone('utc', statement_timestamp())"


@compiles(in_seconds, 'postgresql')
def _(element: in_seconds, compiler: 'SQLCompiler', **kw: object) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(timezone('utc', statement_timestamp()) + make_interval(secs => {seconds}))"


@compiles(utcnow, 'mysql')
@compiles(utcnow, 'mariadb')
def _(element: utcnow, compiler: 'SQLCompiler', **kw: object) -> str:
    return 'utc_timestamp(6)'


@compiles(in_seconds, 'mysql')
@compiles(in_seconds, 'mariadb')
def _(element: in_seconds, compiler: 'SQLCompiler', **kw: object) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f'(utc_timestamp(6) + INTERVAL {seconds} * 1000000 MICROSECOND)'


@compiles(utcnow, 'sqlite')
def _(element: utcnow, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'{SQLITE_NOW}(0)'


@compiles(in_seconds, 'sqlite')
def _(element: in_seconds, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'{SQLITE_NOW}({compiler.process(element.clauses, **kw)})'


# -------------------------------------------------------------------------------------- ids
class among(FunctionElement):
    """SQL condition: the column is one of the ids in a string, which are separated by commas.

    One parameter instead of a thousand: SQLAlchemy and the driver need not format each id.
    """

    # With type Boolean, SQLite and MySQL would compare the result to 1 and use no index.
    type = sa.types.NULLTYPE
    inherit_cache = True

    def __init__(self, column: sa.Column, ids: sa.BindParameter) -> None:
        super().__init__(column, ids)


def _sides(element: FunctionElement, compiler: 'SQLCompiler', kw: dict[str, object]) -> list[str]:
    return [compiler.process(side, **kw) for side in element.clauses]


@compiles(among, 'postgresql')
def _(element: among, compiler: 'SQLCompiler', **kw: object) -> str:
    column, ids = _sides(element, compiler, kw)
    return f"{column} = ANY (string_to_array({ids}, ','))"


@compiles(among, 'mysql')
@compiles(among, 'mariadb')
def _(element: among, compiler: 'SQLCompiler', **kw: object) -> str:
    column, ids = _sides(element, compiler, kw)
    # The parts are SQL of the compiler, never values.
    return (f"{column} IN (SELECT ids.id FROM JSON_TABLE("  # nosec B608
            f"{_as_json('CONCAT({})', ', ', ids)}, "
            "'$[*]' COLUMNS (id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
            "PATH '$')) AS ids)")


@compiles(among, 'sqlite')
def _(element: among, compiler: 'SQLCompiler', **kw: object) -> str:
    column, ids = _sides(element, compiler, kw)
    joined = _as_json('{}', ' || ', ids)
    return f'{column} IN (SELECT value FROM json_each({joined}))'  # nosec B608 # as above


def _as_json(around: str, joined: str, ids: str) -> str:
    """Return SQL that converts 'a,b' to '["a","b"]'."""
    parts = ["'[\"'", f"""replace({ids}, ',', '","')""", "'\"]'"]
    return around.format(joined.join(parts))


# --------------------------------------------------------------------------------- beginnings
class begins(FunctionElement):
    """SQL condition: the column begins with `text`, in a form that uses an index.

    PostgreSQL does for LIKE (with the operator class of the index) in any locale; the others
    compare bytes, for which a range has the same meaning.
    """

    type = sa.types.NULLTYPE
    inherit_cache = True

    def __init__(self, column: sa.Column, text: str) -> None:
        pattern = text.translate({ord(char): f'/{char}' for char in '/%_'}) + '%'
        super().__init__(column, sa.literal(pattern), sa.literal(text),
                         sa.literal(text[:-1] + chr(ord(text[-1]) + 1)))


@compiles(begins)
def _(element: begins, compiler: 'SQLCompiler', **kw: object) -> str:
    column, _pattern, low, high = _sides(element, compiler, kw)
    return f'({column} >= {low} AND {column} < {high})'


@compiles(begins, 'postgresql')
def _(element: begins, compiler: 'SQLCompiler', **kw: object) -> str:
    column, pattern, _low, _high = _sides(element, compiler, kw)
    return f"{column} LIKE {pattern} ESCAPE '/'"


# ------------------------------------------------------------------------------ keys and values
class Object(sa.types.TypeDecorator[dict[str, str | None]]):
    """The text of a JSON object, read as a dictionary; NULL is an empty one."""

    impl = sa.Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: object) -> dict[str, str | None]:
        return json.loads(value, strict=False) if value else {}


class object_of(FunctionElement):
    """SQL aggregate: a JSON object with the keys and values of all rows."""

    type = Object()
    inherit_cache = True

    def __init__(self, key: sa.ColumnElement[str], value: sa.ColumnElement[str]) -> None:
        super().__init__(key, value)


@compiles(object_of, 'postgresql')
def _(element: object_of, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'CAST(json_object_agg({compiler.process(element.clauses, **kw)}) AS text)'


@compiles(object_of, 'mysql')
@compiles(object_of, 'mariadb')
def _(element: object_of, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'json_objectagg({compiler.process(element.clauses, **kw)})'


@compiles(object_of, 'sqlite')
def _(element: object_of, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'json_group_object({compiler.process(element.clauses, **kw)})'


def pairs_of(table: sa.Table, owner: sa.Column[str], of: sa.Column[str]) -> sa.ScalarSelect:
    """Return a column, in a SELECT with the column `of`: the pairs of `table` (key, value) whose
    `owner` it is, as a dictionary."""
    return sa.select(object_of(table.c.key, table.c.value)).where(owner == of).correlate(
        of.table).scalar_subquery()


class row_of(FunctionElement):
    """SQL expression: the text of a JSON object with the given columns of a row. How times and
    truth values are written depends on the engine."""

    type = sa.Text()
    inherit_cache = True

    def __init__(self, **columns: sa.ColumnElement) -> None:
        super().__init__(*(part for name, column in columns.items()
                           for part in (sa.literal_column(f"'{name}'"), column)))


@compiles(row_of)
def _(element: row_of, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'json_object({compiler.process(element.clauses, **kw)})'


@compiles(row_of, 'postgresql')
def _(element: row_of, compiler: 'SQLCompiler', **kw: object) -> str:
    return f'CAST(json_build_object({compiler.process(element.clauses, **kw)}) AS text)'
