# SPDX-License-Identifier: Apache-2.0
"""Databases of the original Cinder without it: the tables of its newest revision, as
tests/samples/original-tables.csv lists them. Rows are those that a test inserts."""
import csv
import functools
import pathlib
import re
from collections.abc import Iterable

import sqlalchemy as sa

COLUMNS = pathlib.Path(__file__).parents[1] / 'samples' / 'original-tables.csv'
HEAD = '9c74c1c6971f'
_TYPES = {'BOOLEAN': sa.Boolean, 'DATETIME': sa.DateTime, 'INTEGER': sa.Integer, 'TEXT': sa.Text}


def columns() -> dict[str, list[dict[str, str]]]:
    """Return table -> rows of the list, without the table of the revision."""
    found: dict[str, list[dict[str, str]]] = {}
    with open(COLUMNS, newline='') as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row['table'], []).append(row)
    del found['alembic_version']
    return found


@functools.cache
def tables() -> dict[str, sa.Table]:
    """Return the tables by name, without foreign keys: damaged rows can be inserted."""
    metadata = sa.MetaData()
    return {name: sa.Table(name, metadata, *map(_column, rows), mysql_charset='utf8mb4',
                           mysql_engine='InnoDB', mysql_row_format='DYNAMIC')
            for name, rows in columns().items()}


def _column(row: dict[str, str]) -> sa.Column:
    length = re.fullmatch(r'VARCHAR\((\d+)\)', row['type'])
    return sa.Column(row['column'], sa.String(int(length[1])) if length else _TYPES[row['type']](),
                     primary_key=row['primary_key'] == '1', nullable=row['not_null'] != '1')


def create(url: str, revision: str = HEAD) -> sa.Engine:
    """Create the tables in an empty database; return an engine of it without pool."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    if engine.dialect.name == 'sqlite':
        sa.event.listen(engine, 'connect', lambda connection, record: connection.execute(
            'PRAGMA synchronous = OFF'))
    with engine.begin() as conn:
        next(iter(tables().values())).metadata.create_all(conn)
        conn.exec_driver_sql('CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)')
        conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
    return engine


def fill(engine: sa.Engine, pieces: Iterable[tuple[str, list[dict[str, object]]]]) -> int:
    """Insert rows; return their number."""
    number = 0
    with engine.begin() as conn:
        for name, rows in pieces:
            conn.execute(tables()[name].insert(), rows)
            number += len(rows)
    return number
