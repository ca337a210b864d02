# SPDX-License-Identifier: Apache-2.0
"""Damages databases of the original at random: the same for the same seed. Those in SQLite keep
their keys and give up all other constraints, and the types; rows for servers keep to all that
servers check."""
import pathlib
import random
import sqlite3
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from tests.fakes import original

_VALUES = (None, None, '', 'x', 'no such row', -1, 0, 7, 2 ** 40, 3.5, b'\xff\x00', 'a\0b',
           'x' * 300, '2020-13-45', '{', '[1]', "'; --", '🗄️')


def loosen(path: pathlib.Path) -> None:
    """Make all tables again, of columns without types."""
    with sqlite3.connect(path) as conn:
        for name, rows in original.columns().items():
            columns = ', '.join(
                f'"{row["column"]}"' + (' PRIMARY KEY' if row['primary_key'] == '1' else '')
                for row in rows)
            conn.execute(f'CREATE TABLE loose ({columns})')
            conn.execute(f'INSERT INTO loose SELECT * FROM "{name}"')
            conn.execute(f'DROP TABLE "{name}"')
            conn.execute(f'ALTER TABLE loose RENAME TO "{name}"')
    conn.close()


def damage(path: pathlib.Path, seed: int, share: float = 0.01) -> int:
    """Change this share of all values, and repeat or remove as many rows; return how many."""
    chance, done = random.Random(seed), 0
    loosen(path)
    with sqlite3.connect(path) as conn:
        for name, rows in original.columns().items():
            columns = [row['column'] for row in rows]
            count = conn.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for _ in range(round(count * len(columns) * share + chance.random() / 2)):
                _one(conn, chance, name, chance.choice(columns), count)
                done += 1
    conn.close()
    return done


def _one(conn: sqlite3.Connection, chance: random.Random, table: str, column: str,
         count: int) -> None:
    if not count:
        return
    where = f'WHERE rowid = (SELECT rowid FROM "{table}" LIMIT 1 OFFSET {chance.randrange(count)})'
    what = chance.random()
    if what < 0.03:
        conn.execute(f'DELETE FROM "{table}" {where}')
    elif what < 0.1:
        # With the next number as its key; a key that is no number keeps others out.
        names = ', '.join(f'"{row["column"]}"' for row in original.columns()[table])
        key = next(row['column'] for row in original.columns()[table] if row['primary_key'] == '1')
        values = names.replace(f'"{key}"', f'(SELECT max(rowid) + 7000 FROM "{table}")')
        conn.execute(f'INSERT OR IGNORE INTO "{table}" ({names}) SELECT {values} FROM "{table}" '
                     + where)
    elif what < 0.3:
        # The value of another row, which is well-formed and wrong.
        other = f'SELECT "{column}" FROM "{table}" LIMIT 1 OFFSET {chance.randrange(count)}'
        conn.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ({other}) {where}')
    else:
        value = chance.choice(_VALUES)
        conn.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ? {where}', (value,))


def damaged(pieces: Iterable[tuple[str, list[dict]]], seed: int,
            share: float = 0.01) -> Iterator[tuple[str, list[dict]]]:
    """Yield rows of which this share of the values is damaged, in a way that any engine stores."""
    chance = random.Random(seed)
    for name, rows in pieces:
        columns = [column for column in original.tables()[name].c if not column.primary_key]
        # All rows of an INSERT have the same columns.
        rows = [{column.name: row.get(column.name) for column in original.tables()[name].c}
                for row in rows]
        for _ in range(round(len(rows) * len(columns) * share + chance.random() / 2)):
            column, row = chance.choice(columns), chance.choice(rows)
            values = [chance.choice(rows)[column.name], *_typed(column)]
            values += [None] * 3 if column.nullable else []
            values = [value for value in values if value is not None or column.nullable]
            if values:
                row[column.name] = chance.choice(values)
        yield name, rows


def _typed(column: sa.Column) -> list[object]:
    if isinstance(column.type, sa.Boolean):
        return [True, False]
    if isinstance(column.type, sa.Integer):
        return [-1, 0, 2 ** 31 - 1]
    if isinstance(column.type, sa.DateTime):
        return []
    return ['', 'no such row', 'ÄÖ', '{', 'x' * (getattr(column.type, 'length', None) or 300)]
