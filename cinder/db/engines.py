# SPDX-License-Identifier: Apache-2.0
"""Connections to the database engines: one pool for reading and one for writing.

Only this module distinguishes SQLite, PostgreSQL and MySQL connections.
"""
import contextlib
import dataclasses
import datetime
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa
from oslo_db import options as db_options
from oslo_db.sqlalchemy import exc_filters
from sqlalchemy import event

from cinder import exception
from cinder.conf import CONF
from cinder.db import releases, revisions
from cinder.db.functions import SQLITE_NOW

if TYPE_CHECKING:
    from oslo_config import cfg
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, _ConnectionFairy

    # The options of [database].
    Section: TypeAlias = cfg.ConfigOpts.GroupAttr

# The pool must be large enough for the usual load: further connections are opened and closed each
# time.
db_options.set_defaults(CONF, connection='sqlite:///$state_path/cinder.sqlite',
                        max_pool_size=20, max_overflow=30)

# A pooled connection that was idle for this many seconds is tested before use.
IDLE = 2


class WriteLock:
    """Lock for the single writer of SQLite: waiting here lets other green threads run, while
    waiting inside the C code of SQLite would block them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextlib.contextmanager
    def __call__(self, seconds: float) -> Iterator[None]:
        if self._holder == threading.get_ident():
            raise RuntimeError('a writer inside a writer of another context would wait for itself')
        if not self._lock.acquire(timeout=seconds):
            raise exception.DatabaseBusy()
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()


@dataclasses.dataclass
class Engines:
    """The two engines of a database and, for SQLite, the lock of its writer."""

    reader: sa.Engine
    writer: sa.Engine
    write_lock: Callable[[float], contextlib.AbstractContextManager]

    def dispose(self, close: bool) -> None:
        self.reader.dispose(close)
        self.writer.dispose(close)
        if isinstance(self.write_lock, WriteLock):
            self.write_lock = WriteLock()


def create(conf: 'Section') -> Engines:
    """Create the engines for the [database] options, without connecting.

    :raises InvalidConfigurationValue: the engine is not supported, or SQLite is in memory.
    """
    url = without_plugin(sa.make_url(conf.connection))
    name = url.get_backend_name()
    if name not in _ENGINES:
        raise exception.InvalidConfigurationValue(
            option='[database] connection', value=url.render_as_string())
    return _ENGINES[name](url, conf)


def without_plugin(url: sa.URL) -> sa.URL:
    """Return a URL without the plugin of SQLAlchemy that it names, such as that of devstack, which
    counts statements; the check of the configuration warns of it."""
    return url.difference_update_query(['plugin'])


def _make(url: sa.URL, conf: 'Section', **kwargs: object) -> sa.Engine:
    # Every transaction ends with an explicit commit or rollback, so the ROLLBACK of the pool would
    # be a wasted round trip.
    engine = sa.create_engine(
        url, pool_reset_on_return=None, pool_use_lifo=True, pool_size=conf.max_pool_size,
        max_overflow=conf.max_overflow or 0, pool_timeout=conf.pool_timeout or 30,
        # Errors are logged, and a parameter may be a CHAP secret.
        hide_parameters=True, pool_recycle=conf.connection_recycle_time, **kwargs)
    # Of what oslo.db registers, this alone is needed without savepoints. With an event of its
    # connections, an engine looks for listeners to seven of them at each use of a connection.
    event.listen(engine, 'handle_error', exc_filters.handler, retval=True)
    return engine


def _server(url: sa.URL, conf: 'Section', connect_args: dict) -> Engines:
    made = [_make(url, conf, connect_args=connect_args, isolation_level=level,
                  skip_autocommit_rollback=True)
            for level in ('AUTOCOMMIT', 'READ COMMITTED')]
    verify = _verifier(url)
    for engine in made:
        event.listen(engine, 'connect', verify)
        event.listen(engine, 'checkin', _parked)
        event.listen(engine, 'checkout', _test_idle)
    return Engines(made[0], made[1], lambda seconds: contextlib.nullcontext())


def _verifier(url: sa.URL) -> Callable[['DBAPIConnection', 'ConnectionPoolEntry'], None]:
    """Return a listener that refuses connections to a server that is too old, and to tables that
    are not of this service, until it has seen that they are."""
    known = False

    def verify(dbapi_connection: 'DBAPIConnection', _record: 'ConnectionPoolEntry') -> None:
        nonlocal known
        if not known:
            releases.verify(dbapi_connection, url.get_backend_name())
            known = revisions.verify(dbapi_connection, url.get_backend_name())
    return verify


def _parked(dbapi_connection: 'DBAPIConnection', record: 'ConnectionPoolEntry') -> None:
    record.info['parked'] = time.monotonic()


def _test_idle(dbapi_connection: 'DBAPIConnection', record: 'ConnectionPoolEntry',
               proxy: '_ConnectionFairy') -> None:
    """Test a connection that was idle; testing every time would double the round trips."""
    if time.monotonic() - record.info.get('parked', float('inf')) < IDLE:
        return
    try:
        proxy._pool._dialect.do_ping(dbapi_connection)
    except Exception as exc:
        raise sa.exc.DisconnectionError(str(exc)) from exc


def connect_arguments(url: sa.URL, conf: 'Section') -> tuple[sa.URL, dict[str, object]]:
    """Return the URL with its driver, and further arguments of the driver."""
    return _ARGUMENTS[url.get_backend_name()](url, conf)


def _postgresql_arguments(url: sa.URL, _conf: 'Section') -> tuple[sa.URL, dict[str, object]]:
    if url.drivername == 'postgresql':
        # The default driver depends on the release of SQLAlchemy.
        url = url.set(drivername='postgresql+psycopg2')
    return url, {'connect_timeout': 10, 'client_encoding': 'utf8'}


def _sqlite_arguments(url: sa.URL, _conf: 'Section') -> tuple[sa.URL, dict[str, object]]:
    return url, {'check_same_thread': False}


def _mysql_arguments(url: sa.URL, conf: 'Section') -> tuple[sa.URL, dict[str, object]]:
    arguments: dict[str, object] = {'charset': 'utf8mb4'}
    if conf.mysql_sql_mode:
        arguments['sql_mode'] = conf.mysql_sql_mode
    if not any(key.startswith('ssl') for key in url.query):
        # The default of PyMySQL loads all certificate authorities for each connection.
        arguments['ssl_disabled'] = True
    if url.drivername in ('mysql', 'mariadb'):
        url = url.set(drivername=url.drivername + '+pymysql')
    return url, arguments


def _server_engines(url: sa.URL, conf: 'Section') -> Engines:
    url, arguments = connect_arguments(url, conf)
    return _server(url, conf, arguments)


def _sqlite(url: sa.URL, conf: 'Section') -> Engines:
    if url.database in (None, '', ':memory:'):
        raise exception.InvalidConfigurationValue(
            option='[database] connection', value=url.render_as_string())
    os.makedirs(os.path.dirname(os.path.abspath(url.database)), mode=0o700, exist_ok=True)
    # SQLite would make it readable for all; its further files get the mode of this file.
    with contextlib.suppress(OSError):
        os.close(os.open(url.database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    made = [_make(url, conf, poolclass=sa.pool.QueuePool, isolation_level='AUTOCOMMIT',
                  connect_args={'timeout': seconds, **connect_arguments(url, conf)[1]})
            for seconds in (2, 0.02)]
    pragmas = ('journal_mode = WAL', 'foreign_keys = ON',
               'synchronous = ' + ('FULL' if conf.sqlite_synchronous else 'OFF'))

    def prepare(dbapi_connection: sqlite3.Connection, record: 'ConnectionPoolEntry') -> None:
        dbapi_connection.create_function(SQLITE_NOW, 1, _utc_in)
        for pragma in pragmas:
            dbapi_connection.execute(f'PRAGMA {pragma}')

    verify = _verifier(url)
    for engine in made:
        # First: a pragma would change the header of the file.
        event.listen(engine, 'connect', verify)
        event.listen(engine, 'connect', prepare)
    event.listen(made[1], 'begin', _begin_immediate)
    return Engines(made[0], made[1], WriteLock())


def _utc_in(seconds: float) -> str:
    """Return the current time plus `seconds` in the format of SQLAlchemy; the clock functions of
    SQLite have milliseconds, which is too coarse for lists ordered by time."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.strftime('%Y-%m-%d %H:%M:%S.%f')


def _begin_immediate(conn: sa.Connection) -> None:
    """Take the write lock of the file, which another process may hold, without blocking in C."""
    deadline = time.monotonic() + 30
    while True:
        try:
            conn.connection.driver_connection.execute('BEGIN IMMEDIATE')
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xff not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() > deadline:
                raise exception.DatabaseBusy() from exc
            time.sleep(random.uniform(0.001, 0.02))  # nosec B311 # a pause


_ARGUMENTS = {'sqlite': _sqlite_arguments, 'postgresql': _postgresql_arguments,
              'mysql': _mysql_arguments, 'mariadb': _mysql_arguments}
_ENGINES = {'sqlite': _sqlite, 'postgresql': _server_engines, 'mysql': _server_engines,
            'mariadb': _server_engines}
