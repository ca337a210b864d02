# SPDX-License-Identifier: Apache-2.0
"""Connections and transactions: reading, writing, retries.

Reads use autocommit, without BEGIN and ROLLBACK round trips. A write is one transaction that is
stored in the context, so that everything called with that context joins it.
"""
import contextlib
import functools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_log import log as logging

from cinder import exception, metrics
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import engines, errors
from cinder.db.functions import in_seconds, utcnow

__all__ = ['in_seconds', 'utcnow']  # re-exported for callers of transactions

LOG = logging.getLogger(__name__)

_P = ParamSpec('_P')
_R = TypeVar('_R')

# Errors of a connection that is lost.
BROKEN = (sa.exc.DBAPIError, db_exc.DBError)
_NOT_STORABLE = (db_exc.DBDataError, db_exc.DBInvalidUnicodeParameter)
# Number of attempts for a transaction that the database aborted or lost before its commit.
ATTEMPTS = 6
# Seconds that a writer waits for the write lock of SQLite before the request fails.
TIMEOUT_SECONDS = 60
_ERRORS, _SECONDS = 'cinder_database_errors_total', 'cinder_database_seconds'
# Seconds until the same reason of an outage is logged again, and the number of stored reasons.
TELL_AGAIN, MOST_REASONS = 60, 50

# Functions (connection), called when a transaction has begun, and (context, connection), called
# before its commit; what they write belongs to it.
AFTER_BEGIN: list[Callable[[sa.Connection], None]] = []
BEFORE_COMMIT: list[Callable[[RequestContext, sa.Connection], None]] = []

_engines: engines.Engines | None = None
_setup = threading.Lock()
_logged_at: dict[str, float] = {}
_telling = threading.Lock()


def current() -> engines.Engines:
    """Return the engines of [database] connection; they are created at the first call."""
    global _engines
    if _engines is None:
        with _setup:
            if _engines is None:
                _engines = engines.create(CONF.database)
    return _engines


def dispose(close: bool = False) -> None:
    """Discard all pooled connections.

    :param close: also close them; a forked child must not, because its parent uses them.
    """
    if _engines is not None:
        _engines.dispose(close)


def reset() -> None:
    """Discard the engines too; the next call reads [database] again."""
    global _engines
    dispose(close=True)
    _engines = None


# A child that used the connections of its parent would mix up the results of both.
os.register_at_fork(after_in_child=dispose)


# ------------------------------------------------------------------------------ transactions
@contextlib.contextmanager
def reader(ctxt: RequestContext) -> Iterator[sa.Connection]:
    """Provide a connection for reading; inside a writer of the same context, its connection.

    :raises DatabaseUnavailable: no connection, or it was lost.
    """
    joined = _open_transaction(ctxt, reading=True)
    if joined is not None:
        yield joined
        return
    began = time.perf_counter()
    with translate_errors(), current().reader.connect() as conn:
        yield conn
    # Events of SQLAlchemy, which would tell the time of each statement, cost ten times as much.
    metrics.observe(_SECONDS, time.perf_counter() - began, 'read')


@contextlib.contextmanager
def writer(ctxt: RequestContext) -> Iterator[sa.Connection]:
    """Provide a transaction: committed at the end, rolled back on an exception or in a rehearsal();
    a nested one joins. Those of a request with `together` are committed at its end.

    :raises DatabaseUnavailable: no connection, or it was lost: nothing was written.
    :raises DatabaseBusy: a deadlock, or a timeout for the write lock: nothing was written.
    :raises CommitUnknown: the connection was lost during the commit.
    """
    joined = _open_transaction(ctxt)
    if joined is not None:
        yield joined
        return
    if ctxt.together is not None and not ctxt.together.ended and ctxt.rehearsal is None:
        with ctxt.together.part() as conn:
            yield conn
        return
    began = time.perf_counter()
    with (translate_errors(), current().write_lock(TIMEOUT_SECONDS),
          current().writer.connect() as conn):
        transaction = conn.begin()
        ctxt.connection = (threading.get_ident(), conn)
        try:
            with followed(ctxt, conn):
                yield conn
        except BaseException:
            # Without the connection the transaction is gone too; the first error is reported.
            with contextlib.suppress(*BROKEN):
                transaction.rollback()
            raise
        finally:
            ctxt.connection = None
        if ctxt.rehearsal is not None:
            transaction.rollback()
            return
        commit(transaction)
        ctxt.commits[0] += 1
        metrics.observe(_SECONDS, time.perf_counter() - began, 'write')


@contextlib.contextmanager
def followed(ctxt: RequestContext, conn: sa.Connection) -> Iterator[None]:
    """Run a transaction, or a part of one, with what belongs to it, see AFTER_BEGIN."""
    for each in AFTER_BEGIN:
        each(conn)
    yield
    if ctxt.rehearsal is None:
        for before in BEFORE_COMMIT:
            before(ctxt, conn)


@contextlib.contextmanager
def rehearsal(ctxt: RequestContext) -> Iterator[list]:
    """Run requests without their effect: each transaction of the context is rolled back at its end,
    messages and notifications are not sent, and no key is created.

    :returns: list that gets the (operation, resource) of each request that would have been started.
    """
    started: list = []
    ctxt.rehearsal = started
    try:
        yield started
    finally:
        ctxt.rehearsal = None


def commit(transaction: sa.RootTransaction) -> None:
    """Commit; :raises CommitUnknown: the connection was lost meanwhile."""
    try:
        began = time.perf_counter()
        transaction.commit()
        metrics.observe(_SECONDS, time.perf_counter() - began, 'commit')
    except Exception as exc:
        # The transaction may still be open, and the pool does not roll back.
        transaction.connection.invalidate()
        if isinstance(exc, db_exc.DBConnectionError):
            metrics.count(_ERRORS, 'commit unknown')
            raise exception.CommitUnknown() from exc
        raise


def _open_transaction(ctxt: RequestContext, reading: bool = False) -> sa.Connection | None:
    """Return the transaction of `ctxt`, unless another thread that shares the context opened it.

    :param reading: also one whose changes are made and that is not committed yet.
    """
    if ctxt.connection is None:
        return None if ctxt.together is None else ctxt.together.connection(inside=not reading)
    thread, conn = ctxt.connection
    return conn if thread == threading.get_ident() and conn.in_transaction() else None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Convert errors of the libraries to errors of this service, with the right HTTP status."""
    try:
        yield
    except (db_exc.DBDeadlock, db_exc.DBConsistencyError) as exc:
        metrics.count(_ERRORS, 'busy')
        raise exception.DatabaseBusy() from exc
    except _NOT_STORABLE as exc:
        raise exception.InvalidInput(
            reason='a value is too long, out of range or not storable') from exc
    except (db_exc.DBError, sa.exc.DBAPIError, sa.exc.TimeoutError) as exc:
        if errors.is_unavailable(exc):
            _log_outage(exc)
            metrics.count(_ERRORS, 'unavailable')
            raise exception.DatabaseUnavailable() from exc
        # Rejected by a driver before sending, or by a server: NUL, a number too large.
        if isinstance(getattr(exc, 'inner_exception', None),
                      (ValueError, OverflowError, sa.exc.DataError)):
            raise exception.InvalidInput(reason='a value cannot be stored') from exc
        metrics.count(_ERRORS, 'other')
        raise


def _log_outage(exc: Exception) -> None:
    """Log why the database is unavailable, each reason once a minute: all requests have it."""
    text, now = errors.driver_message(exc), time.monotonic()
    with _telling:
        if len(_logged_at) > MOST_REASONS:
            _logged_at.clear()
        was_logged = now - _logged_at.get(text, -TELL_AGAIN) < TELL_AGAIN
        if not was_logged:
            _logged_at[text] = now
    if not was_logged:
        LOG.warning('The database is unavailable; requests are answered with 503 until it responds '
                    'again: %s', text)


def retry_on_deadlock(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a function (ctxt, ...) with its own writer, or a method (self, ctxt, ...), to run it
    again if its transaction failed without effect.

    It must not change anything but the database before its writer ends. Errors after the commit are
    not retried, because the request is accepted then. Inside an open transaction nothing is
    retried: the owner of the transaction does that.
    """
    place = int(function.__code__.co_varnames[0] == 'self')

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        ctxt: Any = args[place]
        joined = _open_transaction(ctxt, reading=True) is not None
        for attempt in range(ATTEMPTS):
            commits = ctxt.commits[0]
            try:
                return function(*args, **kwargs)
            except (exception.DatabaseBusy, exception.DatabaseUnavailable) as exc:
                if joined or ctxt.commits[0] != commits or attempt == ATTEMPTS - 1:
                    raise
                pause = random.uniform(0.5, 1.5) * 0.02 * 4 ** attempt  # nosec B311 # a pause
                LOG.debug('%s: %s Retrying in %.3f seconds.', function.__name__, exc, pause)
                time.sleep(min(pause, 2))
        raise AssertionError('unreachable')
    return wrapper


def retry_with_lookup(look: Callable[..., _R | None],
                      ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a function (ctxt, ...) like retry_on_deadlock; if the result of a commit is unknown,
    call `look` with the same arguments before running the function again.

    :param look: returns the result of the function, or None if nothing was committed.
    """
    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            unknown = []

            @retry_on_deadlock
            def attempt(_ctxt: RequestContext) -> _R:
                found = look(*args, **kwargs) if unknown else None
                if found is not None:
                    return found
                try:
                    return function(*args, **kwargs)
                except exception.CommitUnknown as exc:
                    unknown.append(exc)
                    raise exception.DatabaseUnavailable() from exc
            return attempt(args[0])
        return wrapper
    return decorate


def verify() -> None:
    """Check whose tables the database has, if it responds; leaves no open connection.

    :raises DatabaseRefused: they are not of this release, or the server is too old.
    """
    with (contextlib.suppress(db_exc.DBError, sa.exc.OperationalError),
          current().reader.connect()):
        pass
    dispose(close=True)


def wait_for_database() -> None:
    """Wait until the database responds; pauses grow to 10 s, and the reason is logged once.

    :raises DatabaseRefused: its tables are not of this release, or it is too old.
    """
    pause = 0.25
    while True:
        try:
            with current().reader.connect():
                break
        except (db_exc.DBError, sa.exc.OperationalError) as exc:
            if pause == 0.25:
                LOG.warning('The database cannot be reached; waiting for it: %s',
                            errors.driver_message(exc))
            time.sleep(pause)
            pause = min(pause * 2, 10)
    if pause > 0.25:
        LOG.info('The database responds.')
