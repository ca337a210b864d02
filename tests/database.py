# SPDX-License-Identifier: Apache-2.0
"""The database file of the tests: made once, and put back to what it was before the next test.

Rows are put back, not the file: a new file would need new connections, which have to read it and
to compile every statement again.
"""
import pathlib
import sqlite3

from cinder.db import engines

Rows = dict[str, list[tuple]]


class Database:
    """One SQLite file and the engines that use it.

    :param made: engines of the file, which has all tables and the rows that each test finds
    """

    def __init__(self, made: engines.Engines, path: pathlib.Path) -> None:
        self.engines, self.path = made, path
        # Without foreign keys, so that the order of the tables does not matter.
        self._conn = sqlite3.connect(path, isolation_level=None)
        # What a test leaves need not outlive the machine's power.
        self._conn.execute('PRAGMA synchronous = OFF')
        names = self._conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = [name for name, in names]
        self._empty = ''.join(f'DELETE FROM "{name}";' for name in self._tables)
        self._at = self.rows()
        self._version = self._data_version()

    def rows(self) -> Rows:
        """Return all rows of all tables that have some."""
        found = {name: self._conn.execute(f'SELECT * FROM "{name}"').fetchall()
                 for name in self._tables}
        return {name: rows for name, rows in found.items() if rows}

    def restore(self, rows: Rows) -> None:
        """Make these the only rows; nothing is done when they still are."""
        if rows is self._at and self._data_version() == self._version:
            return
        self._conn.executescript('BEGIN IMMEDIATE;' + self._empty)
        for name, values in rows.items():
            marks = ', '.join('?' * len(values[0]))
            self._conn.executemany(f'INSERT INTO "{name}" VALUES ({marks})', values)
        self._conn.execute('COMMIT')
        self._at, self._version = rows, self._data_version()

    def _data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        return self._conn.execute('PRAGMA data_version').fetchone()[0]

    def close(self) -> None:
        self.engines.dispose(close=True)
        self._conn.close()
