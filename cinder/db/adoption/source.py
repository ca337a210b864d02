# SPDX-License-Identifier: Apache-2.0
"""Reads a database of the original Cinder by reflection. Values come as the driver returns them:
what a damaged row holds is judged by the conversions, not by types of SQLAlchemy."""
import contextlib
import functools
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import exc_filters
from sqlalchemy import event

from cinder import exception, masking
from cinder.conf import CONF
from cinder.db import checks, engines, errors, revisions

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

# What makes a session of each engine read-only; SQLite opens the file so.
_READ_ONLY = {'postgresql': 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
              'mysql': 'SET SESSION TRANSACTION READ ONLY'}
_READ_ONLY['mariadb'] = _READ_ONLY['mysql']


class Source:
    """A database of the original.

    :param text: its URL
    :param writable: for the few statements that change it, see the module that does
    :raises InvalidInput: it cannot be read, or the revision of its tables is not known
    """

    def __init__(self, text: str, writable: bool = False) -> None:
        reason = checks.unusable(text, CONF.database)
        if reason:
            raise exception.InvalidInput(
                reason=f'the source {masking.without_user(text)} cannot be used: {reason}')
        self.url = engines.without_plugin(sa.make_url(text))
        self.name = self.url.render_as_string(hide_password=True)
        self._engine = _engine(self.url, writable)
        self.revision = self._known_revision()

    def _known_revision(self) -> str:
        try:
            with self.connect() as conn:
                tables = set(sa.inspect(conn).get_table_names())
                found = (conn.execute(sa.text('SELECT version_num FROM alembic_version')).scalars()
                         .all() if 'alembic_version' in tables else [])
        except (db_exc.DBError, sa.exc.DBAPIError) as exc:
            raise exception.InvalidInput(
                reason=f'the source {self.name} cannot be read: {errors.driver_message(exc)}'
            ) from exc
        if len(found) == 1 and found[0] in revisions.ORIGINAL:
            return found[0]
        raise exception.InvalidInput(reason=_unknown(self.name, sorted(found), tables))

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Provide a connection; each statement is a transaction of its own."""
        with self._engine.connect() as conn:
            yield conn

    def close(self) -> None:
        self._engine.dispose()

    # ------------------------------------------------------------------------------------ tables
    @functools.cached_property
    def _columns(self) -> dict[str, dict[str, Any]]:
        with self.connect() as conn:
            inspector = sa.inspect(conn)
            return {name: {column['name']: column['type']
                           for column in inspector.get_columns(name)}
                    for name in inspector.get_table_names()}

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table; none if the revision does not have it."""
        return tuple(self._columns.get(table, ()))

    def is_boolean(self, table: str, column: str) -> bool:
        """Return whether the engine has a Boolean column there, and no integer."""
        return isinstance(self._columns[table][column], sa.Boolean)

    @functools.lru_cache(64)  # noqa: B019 # there is one source in a process
    def table(self, name: str) -> sa.TableClause:
        """Return a table for statements, whose columns have no types."""
        return sa.table(name, *map(sa.column, self.columns(name)))

    # -------------------------------------------------------------------------------------- rows
    def count(self, table: str, *where: sa.ColumnElement) -> int:
        """Return the number of rows; 0 if the table does not exist."""
        if not self.columns(table):
            return 0
        with self.connect() as conn:
            return conn.execute(sa.select(sa.func.count()).select_from(self.table(table))
                                .where(*where)).scalar_one()

    def after(self, table: str, key: str, last: object, limit: int,
              where: Sequence[sa.ColumnElement] = ()) -> list[dict]:
        """Return the next rows in the order of a unique column, without those where it is NULL.

        :param last: value of the column in the last row of the former page; None: the first page
        """
        target = self.table(table)
        page = sa.select(target).where(target.c[key].is_not(None), *where).order_by(
            target.c[key]).limit(limit)
        if last is not None:
            page = page.where(target.c[key] > parameter(last))
        with self.connect() as conn:
            return [dict(row) for row in conn.execute(page).mappings()]

    def matching(self, table: str, column: str, values: Sequence[object],
                 where: Sequence[sa.ColumnElement] = ()) -> list[dict]:
        """Return the rows whose column has one of the values."""
        target = self.table(table)
        with self.connect() as conn:
            return [dict(row) for row in conn.execute(sa.select(target).where(
                target.c[column].in_(map(parameter, values)), *where)).mappings()]


def parameter(value: object) -> object:
    """Return a value that was read as a parameter: what is not UTF-8 goes back as it came."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return sa.cast(sa.literal(value.encode('utf-8', 'surrogateescape'),
                                      sa.LargeBinary()), sa.Text())
    return value


def _unknown(name: str, found: Sequence[str], tables: set[str]) -> str:
    known = ', '.join(revisions.ORIGINAL)
    if 'migrate_version' in tables and not found:
        return (f'the source {name} is of a release of the original that is too old; upgrade it '
                f'with the original to one of the revisions {known}')
    if not found:
        return f'the source {name} has no tables of the original Cinder'
    if all(revision.isdigit() and len(revision) == 4 for revision in found):
        return f'the source {name} has the tables of this service, not those of the original'
    return (f'the source {name} has tables of revision {", ".join(found)}, which is not known; '
            f'expected one of {known}')


# ----------------------------------------------------------------------------------- connections
def _engine(url: sa.URL, writable: bool) -> sa.Engine:
    engine_name = url.get_backend_name()
    url, arguments = engines.connect_arguments(url, CONF.database)
    if engine_name == 'sqlite':
        url = _sqlite(url, writable)
        arguments['uri'] = True
    engine = sa.create_engine(url, isolation_level='AUTOCOMMIT', connect_args=arguments,
                              hide_parameters=True, pool_size=1, max_overflow=1)
    # Errors of drivers become those of oslo.db, as for the database of this service.
    event.listen(engine, 'handle_error', exc_filters.handler, retval=True)

    def prepare(connection: 'DBAPIConnection', _record: 'ConnectionPoolEntry') -> None:
        if engine_name == 'sqlite':
            # What is not UTF-8 is found by the conversions.
            connection.text_factory = _text
        elif not writable:
            cursor = connection.cursor()
            cursor.execute(_READ_ONLY[engine_name])
            cursor.close()
    event.listen(engine, 'connect', prepare)
    return engine


def _text(value: bytes) -> str:
    return value.decode('utf-8', 'surrogateescape')


def _sqlite(url: sa.URL, writable: bool) -> sa.URL:
    """Return the URL that opens the file for reading only; a missing one is not made."""
    path = os.path.abspath(url.database or '')
    mode = 'rw' if writable else 'ro'
    return url.set(database=f'file:{urllib.parse.quote(path)}', query={'mode': mode, 'uri': 'true'})
