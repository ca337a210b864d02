# SPDX-License-Identifier: Apache-2.0
"""Recognizes errors, by engine, that mean that the database is unavailable: no connection, a
refused login, or missing objects or permissions. An operator has to correct them, not the
caller."""

import re
import sqlite3

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import failures

# Disk full, read-only, shutting down, too many clients, no file.
_SQLITE = ('BUSY', 'LOCKED', 'READONLY', 'IOERR', 'FULL', 'CANTOPEN', 'CORRUPT', 'NOTADB', 'PERM')
_SQLITE_MISSING = re.compile('no such table')
_MYSQL = frozenset((
    # The same; 1927 is a killed connection.
    1021, 1040, 1053, 1114, 1203, 1290, 1317, 1792, 1836, 1927, 1969,
    # Login, database or permission missing: access denied, host not allowed, account locked,
    # password expired, limits of the account.
    1044, 1045, 1049, 1129, 1130, 1142, 1143, 1226, 1227, 1231, 1251, 1698, 1820, 1862, 3118,
    3159, 4151,
    # Missing table.
    1146, 1932))
# Classes of SQLSTATE: connection, login, database, read-only, schema, resources, operator
# intervention, system; and single codes: missing permission, missing table.
_POSTGRESQL_CLASSES = frozenset(('08', '28', '3D', '3F', '53', '57', '58'))
_POSTGRESQL = frozenset(('25006', '42501', '42P01'))
# PostgreSQL shows the line of the statement with the error.
_STATEMENT = re.compile(r' LINE \d+: .*')
_AWAY = (db_exc.DBConnectionError, db_exc.DBNonExistentDatabase, db_exc.DBNonExistentTable,
         sa.exc.TimeoutError)


def driver_error(exc: BaseException | None) -> BaseException | None:
    """Return the error of the driver inside an error of oslo.db or SQLAlchemy."""
    while exc is not None:
        inner = getattr(exc, 'inner_exception', None) or getattr(exc, 'orig', None)
        if inner is None or inner is exc:
            return exc
        exc = inner
    return None


def driver_message(exc: BaseException) -> str:
    """Return the message of the driver, in one line and without the statement."""
    return _STATEMENT.sub('', failures.one_line(driver_error(exc)))


def is_unavailable(exc: BaseException) -> bool:
    """Return whether the error means that the database is unavailable for any request."""
    if isinstance(exc, _AWAY):
        return True
    error = driver_error(exc)
    if isinstance(error, sqlite3.Error):
        return (getattr(error, 'sqlite_errorcode', 0) & 0xff in
                {getattr(sqlite3, f'SQLITE_{name}') for name in _SQLITE}
                or bool(_SQLITE_MISSING.search(str(error))))
    state = getattr(error, 'pgcode', None)
    if state:
        return state in _POSTGRESQL or state[:2] in _POSTGRESQL_CLASSES
    if error.args and isinstance(error.args[0], int):
        return error.args[0] in _MYSQL
    # psycopg2 has no error code before the connection is established.
    return isinstance(exc, sa.exc.OperationalError)
