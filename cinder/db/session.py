# SPDX-License-Identifier: Apache-2.0
"""Connections and transactions: who reads, who writes, what is retried, what time it is.

Reads run in autocommit, without BEGIN and ROLLBACK round trips. A write is one transaction that
lives in the context, so that everything called with that context joins it.
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

from cinder import exception
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import engines, errors
from cinder.db.functions import in_seconds, utcnow

__all__ = ['in_seconds', 'utcnow']  # part of what a transaction is made of

LOG = logging.getLogger(__name__)

_P = ParamSpec('_P')
_R = TypeVar('_R')

_NOT_STORABLE = (db_exc.DBDataError, db_exc.DBInvalidUnicodeParameter)
# How often a transaction is tried that the database gave up or lost before its commit.
ATTEMPTS = 6
# Seconds that a writer waits for SQLite's write lock before the client is told to come back.
TIMEOUT_SECONDS = 60
# Seconds after which a reason that the database gives is logged again, and how many are remembered.
TELL_AGAIN, MOST_REASONS = 60, 50

_engines: engines.Engines | None = None
_setup = threading.Lock()
_told: dict[str, float] = {}
_telling = threading.Lock()


def current() -> engines.Engines:
    """The engines of [database] connection, made at the first call."""
    global _engines
    if _engines is None:
        with _setup:
            if _engines is None:
                _engines = engines.create(CONF.database)
    return _engines


def dispose(close: bool = False) -> None:
    """Forget all pooled connections.

    :param close: also close them; a forked child must not, as they are its parent's.
    """
    if _engines is not None:
        _engines.dispose(close)


def reset() -> None:
    """Forget the engines too, so that the next call reads [database] again."""
    global _engines
    dispose(close=True)
    _engines = None


# A child that used its parent's connections would mix up the answers of both.
os.register_at_fork(after_in_child=dispose)


# ------------------------------------------------------------------------------ transactions
@contextlib.contextmanager
def reader(ctxt: RequestContext) -> Iterator[sa.Connection]:
    """A connection to read with; inside a writer of the same context, that writer's.

    :raises DatabaseUnavailable: no connection, or it was lost.
    """
    joined = _open_transaction(ctxt)
    if joined is not None:
        yield joined
        return
    with _own_errors(), current().reader.connect() as conn:
        yield conn


@contextlib.contextmanager
def writer(ctxt: RequestContext) -> Iterator[sa.Connection]:
    """A transaction: committed at the end, rolled back by an exception; a nested one joins.

    :raises DatabaseUnavailable: no connection, or it was lost: nothing was written.
    :raises DatabaseBusy: deadlock, or the write lock not in time: nothing was written.
    :raises CommitUnknown: the connection was lost while committing.
    """
    joined = _open_transaction(ctxt)
    if joined is not None:
        yield joined
        return
    with _own_errors(), current().write_lock(TIMEOUT_SECONDS), current().writer.connect() as conn:
        transaction = conn.begin()
        ctxt.connection = (threading.get_ident(), conn)
        try:
            yield conn
        except BaseException:
            # When the connection is gone so is the transaction; the first error is the news.
            with contextlib.suppress(sa.exc.DBAPIError, db_exc.DBError):
                transaction.rollback()
            raise
        finally:
            ctxt.connection = None
        try:
            transaction.commit()
        except Exception as exc:
            # The transaction may still be open, and the pool rolls nothing back.
            conn.invalidate()
            if isinstance(exc, db_exc.DBConnectionError):
                raise exception.CommitUnknown() from exc
            raise
        ctxt.commits[0] += 1


def _open_transaction(ctxt: RequestContext) -> sa.Connection | None:
    """The transaction of `ctxt`, unless it belongs to another thread that shares the context."""
    if ctxt.connection is None:
        return None
    thread, conn = ctxt.connection
    return conn if thread == threading.get_ident() and conn.in_transaction() else None


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    """Give what the layers above cannot know a name of ours and the right HTTP status."""
    try:
        yield
    except (db_exc.DBDeadlock, db_exc.DBConsistencyError) as exc:
        raise exception.DatabaseBusy() from exc
    except _NOT_STORABLE as exc:
        raise exception.InvalidInput(
            reason='a value is too long, out of range or not storable') from exc
    except (db_exc.DBError, sa.exc.DBAPIError, sa.exc.TimeoutError) as exc:
        if errors.is_unavailable(exc):
            _tell(exc)
            raise exception.DatabaseUnavailable() from exc
        # What a driver itself refuses to send, or a server to read: NUL, a number too large.
        if isinstance(getattr(exc, 'inner_exception', None),
                      (ValueError, OverflowError, sa.exc.DataError)):
            raise exception.InvalidInput(reason='a value cannot be stored') from exc
        raise


def _tell(exc: Exception) -> None:
    """Log why the database does not serve us, each reason once a minute: all requests meet it."""
    text, now = errors.reason(exc), time.monotonic()
    with _telling:
        if len(_told) > MOST_REASONS:
            _told.clear()
        told = now - _told.get(text, -TELL_AGAIN) < TELL_AGAIN
        if not told:
            _told[text] = now
    if not told:
        LOG.warning('The database refuses requests, which are answered with 503 until it serves '
                    'again: %s', text)


def retry_on_deadlock(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a function (ctxt, ...) that owns a writer, or a method (self, ctxt, ...), again when its
    transaction came to nothing.

    It must change nothing but the database before its writer ends. What follows a commit is not
    tried again: the request was accepted. Inside an open transaction nothing is retried: that is
    for the owner of the transaction to do.
    """
    place = int(function.__code__.co_varnames[0] == 'self')

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        ctxt: Any = args[place]
        joined = _open_transaction(ctxt) is not None
        for attempt in range(ATTEMPTS):
            commits = ctxt.commits[0]
            try:
                return function(*args, **kwargs)
            except (exception.DatabaseBusy, exception.DatabaseUnavailable) as exc:
                if joined or ctxt.commits[0] != commits or attempt == ATTEMPTS - 1:
                    raise
                pause = random.uniform(0.5, 1.5) * 0.02 * 4 ** attempt  # nosec B311 # a pause
                LOG.debug('%s: %s Again in %.3f s.', function.__name__, exc, pause)
                time.sleep(min(pause, 2))
        raise AssertionError('unreachable')
    return wrapper


def retry_with_lookup(look: Callable[..., _R | None],
                      ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a function (ctxt, ...) as retry_on_deadlock does; when it is not known whether it
    was committed, `look`, with the same arguments, is asked before it is run again.

    :param look: returns what the function returned, None when nothing was committed.
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


def wait_for_database() -> None:
    """Return once the database answers; pauses grow to 10 s and the trouble is told once."""
    pause = 0.25
    while True:
        try:
            with current().reader.connect():
                break
        except (db_exc.DBError, sa.exc.OperationalError) as exc:
            if pause == 0.25:
                LOG.warning('The database cannot be reached; waiting for it: %s',
                            errors.reason(exc))
            time.sleep(pause)
            pause = min(pause * 2, 10)
    if pause > 0.25:
        LOG.info('The database answers.')
