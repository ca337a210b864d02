# SPDX-License-Identifier: Apache-2.0
"""The database file of the tests: made once, and put back to what it was before the next test.

Rows are put back, not the file: a new file would need new connections, which have to read it and
to compile every statement again. Triggers note which tables are written to, and only those are
put back.
"""
import pathlib
import sqlite3

from cinder.db import engines

Rows = dict[str, list[tuple]]

# One row per table that was written to.
_NOTES = 'tests_written'
_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS "{notes}_{name}_{verb}" AFTER {verb} ON "{name}"
WHEN NOT EXISTS (SELECT 1 FROM {notes} WHERE name = '{name}')
BEGIN INSERT INTO {notes} VALUES ('{name}'); END;
"""


class Database:
    """One SQLite file and the engines that use it.

    :param made: engines of the file, which has all tables and the rows that each test finds
    """

    def __init__(self, made: engines.Engines, path: pathlib.Path) -> None:
        self.engines, self.path = made, path
        # Without foreign keys, so that the order of the tables does not matter.
        self._conn = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        # What a test leaves need not outlive the machine's power.
        self._conn.execute('PRAGMA synchronous = OFF')
        names = self._conn.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?", (_NOTES,))
        self._tables = [name for name, in names]
        self._conn.executescript(
            # The file may be a copy of one that has them.
            f'CREATE TABLE IF NOT EXISTS {_NOTES} (name TEXT PRIMARY KEY) WITHOUT ROWID;'
            f'DELETE FROM {_NOTES};' + ''.join(
                _TRIGGER.format(notes=_NOTES, name=name, verb=verb)
                for name in self._tables for verb in ('INSERT', 'UPDATE', 'DELETE')))
        self._at = self.rows()
        self._written: set[str] = set()
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
        self._conn.execute('BEGIN IMMEDIATE')
        changed = self._written | self.written()
        if rows is not self._at:
            changed |= {name for name in rows.keys() | self._at.keys()
                        if rows.get(name) != self._at.get(name)}
        for name in changed:
            self._conn.execute(f'DELETE FROM "{name}"')
            if name in rows:
                marks = ', '.join('?' * len(rows[name][0]))
                self._conn.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows[name])
        self._conn.execute(f'DELETE FROM {_NOTES}')
        self._conn.execute('COMMIT')
        self._written.clear()
        self._at, self._version = rows, self._data_version()

    def written(self) -> set[str]:
        """Return the names of the tables that were written to since restore() or forget()."""
        return {name for name, in self._conn.execute(f'SELECT name FROM {_NOTES}')}

    def forget(self) -> None:
        """Begin anew to note what is written to; restore() still puts all of it back."""
        self._written |= self.written()
        self._conn.execute(f'DELETE FROM {_NOTES}')

    def _data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        return self._conn.execute('PRAGMA data_version').fetchone()[0]

    def close(self) -> None:
        self.engines.dispose(close=True)
        self._conn.close()
