# SPDX-License-Identifier: Apache-2.0
"""SQL expressions that each engine spells differently: its clock, and a long list of ids."""
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

# What engines.py adds to SQLite: the time in so many seconds.
SQLITE_NOW = 'utc_in'


class in_seconds(FunctionElement):
    """SQL expression: the database's time, naive UTC with microseconds, plus `seconds`."""

    type = sa.DateTime()
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(sa.literal(float(seconds), sa.Float()))


class utcnow(FunctionElement):
    """SQL expression: the database's time now, naive UTC with microseconds."""

    type = sa.DateTime()
    inherit_cache = True


# In PostgreSQL now() is when the transaction began; a lease or heartbeat wants the statement's.
@compiles(utcnow, 'postgresql')
def _(element, compiler, **kw) -> str:
    return "timezone('utc', statement_timestamp())"


@compiles(in_seconds, 'postgresql')
def _(element, compiler, **kw) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(timezone('utc', statement_timestamp()) + make_interval(secs => {seconds}))"


@compiles(utcnow, 'mysql')
@compiles(utcnow, 'mariadb')
def _(element, compiler, **kw) -> str:
    return 'utc_timestamp(6)'


@compiles(in_seconds, 'mysql')
@compiles(in_seconds, 'mariadb')
def _(element, compiler, **kw) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f'(utc_timestamp(6) + INTERVAL {seconds} * 1000000 MICROSECOND)'


@compiles(utcnow, 'sqlite')
def _(element, compiler, **kw) -> str:
    return f'{SQLITE_NOW}(0)'


@compiles(in_seconds, 'sqlite')
def _(element, compiler, **kw) -> str:
    return f'{SQLITE_NOW}({compiler.process(element.clauses, **kw)})'


# -------------------------------------------------------------------------------------- ids
class among(FunctionElement):
    """SQL condition: the column is one of the ids in a text that joins them with commas.

    One parameter instead of a thousand: neither SQLAlchemy nor the driver has to spell out and
    quote each of them.
    """

    # Of a Boolean, SQLite and MySQL would be asked whether it is 1, which no index answers.
    type = sa.types.NULLTYPE
    inherit_cache = True

    def __init__(self, column: sa.Column, ids: sa.BindParameter) -> None:
        super().__init__(column, ids)


def _sides(element: among, compiler, kw: dict) -> list[str]:
    return [compiler.process(side, **kw) for side in element.clauses]


@compiles(among, 'postgresql')
def _(element, compiler, **kw) -> str:
    column, ids = _sides(element, compiler, kw)
    return f"{column} = ANY (string_to_array({ids}, ','))"


@compiles(among, 'mysql')
@compiles(among, 'mariadb')
def _(element, compiler, **kw) -> str:
    column, ids = _sides(element, compiler, kw)
    # What is put together here is SQL of the compiler's, never a value.
    return (f"{column} IN (SELECT ids.id FROM JSON_TABLE("  # nosec B608
            f"{_as_json('CONCAT({})', ', ', ids)}, "
            "'$[*]' COLUMNS (id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
            "PATH '$')) AS ids)")


@compiles(among, 'sqlite')
def _(element, compiler, **kw) -> str:
    column, ids = _sides(element, compiler, kw)
    joined = _as_json('{}', ' || ', ids)
    return f'{column} IN (SELECT value FROM json_each({joined}))'  # nosec B608 # as above


def _as_json(around: str, joined: str, ids: str) -> str:
    """'a,b' as '["a","b"]', in SQL."""
    parts = ["'[\"'", f"""replace({ids}, ',', '","')""", "'\"]'"]
    return around.format(joined.join(parts))


# --------------------------------------------------------------------------------- beginnings
class begins(FunctionElement):
    """SQL condition: the column begins with `text`, in a form that an index answers.

    PostgreSQL does so for LIKE (by the index's operator class), whatever the order of letters in
    its locale is; the others compare bytes, so that a range says the same.
    """

    type = sa.types.NULLTYPE
    inherit_cache = True

    def __init__(self, column: sa.Column, text: str) -> None:
        pattern = text.translate({ord(char): f'/{char}' for char in '/%_'}) + '%'
        super().__init__(column, sa.literal(pattern), sa.literal(text),
                         sa.literal(text[:-1] + chr(ord(text[-1]) + 1)))


@compiles(begins)
def _(element, compiler, **kw) -> str:
    column, _pattern, low, high = _sides(element, compiler, kw)
    return f'({column} >= {low} AND {column} < {high})'


@compiles(begins, 'postgresql')
def _(element, compiler, **kw) -> str:
    column, pattern, _low, _high = _sides(element, compiler, kw)
    return f"{column} LIKE {pattern} ESCAPE '/'"
