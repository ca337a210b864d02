# SPDX-License-Identifier: Apache-2.0
"""Which errors of the database say that it does not serve us now, by engine: it is away, it refuses
the login, or what we need is not there or not allowed. An operator mends these, no caller."""

import re
import sqlite3

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import failures

# No room, read only, shutting down, too many clients, no file.
_SQLITE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
           sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
           sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM)
_SQLITE_MISSING = re.compile('no such table')
_MYSQL = frozenset((
    # The same; 1927 is a connection that was killed.
    1021, 1040, 1053, 1114, 1203, 1290, 1317, 1792, 1836, 1927, 1969,
    # No login, no database, no right: access denied, host not allowed, account locked, password
    # expired, limits of the account.
    1044, 1045, 1049, 1129, 1130, 1142, 1143, 1226, 1227, 1231, 1251, 1698, 1820, 1862, 3118,
    3159, 4151,
    # No table.
    1146, 1932))
# Classes of SQLSTATE: no connection, no login, no database, read only, no schema, no resources,
# an operator at work, the system; then single ones: no right, no table.
_POSTGRESQL_CLASSES = frozenset(('08', '28', '3D', '3F', '53', '57', '58'))
_POSTGRESQL = frozenset(('25006', '42501', '42P01'))
# PostgreSQL shows the line of the statement in which an error lies.
_STATEMENT = re.compile(r' LINE \d+: .*')
_AWAY = (db_exc.DBConnectionError, db_exc.DBNonExistentDatabase, db_exc.DBNonExistentTable,
         sa.exc.TimeoutError)


def of_driver(exc: BaseException | None) -> BaseException | None:
    """The error of the driver inside of what oslo.db and SQLAlchemy made of it."""
    while exc is not None:
        inner = getattr(exc, 'inner_exception', None) or getattr(exc, 'orig', None)
        if inner is None or inner is exc:
            return exc
        exc = inner
    return None


def reason(exc: BaseException) -> str:
    """What the driver says, in one line and without the statement."""
    return _STATEMENT.sub('', failures.one_line(of_driver(exc)))


def is_unavailable(exc: BaseException) -> bool:
    """Whether the database does not serve us, whatever we ask for."""
    if isinstance(exc, _AWAY):
        return True
    error = of_driver(exc)
    if isinstance(error, sqlite3.Error):
        return (getattr(error, 'sqlite_errorcode', 0) & 0xff in _SQLITE
                or bool(_SQLITE_MISSING.search(str(error))))
    state = getattr(error, 'pgcode', None)
    if state:
        return state in _POSTGRESQL or state[:2] in _POSTGRESQL_CLASSES
    if error.args and isinstance(error.args[0], int):
        return error.args[0] in _MYSQL
    # psycopg2 has no code for what happens before it is connected.
    return isinstance(exc, sa.exc.OperationalError)
