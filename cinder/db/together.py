# SPDX-License-Identifier: Apache-2.0
"""Commits all transactions of a request as one, with a row of its own: a kill leaves all or none.

What a request does after a commit (messages, notifications) waits for that commit. The request may
call another service only after flush().
"""
import contextlib
import threading
from collections.abc import Callable, Iterator

import sqlalchemy as sa
from oslo_log import log as logging

from cinder import exception, failures, fault_points
from cinder.context import RequestContext
from cinder.db import session

LOG = logging.getLogger(__name__)
Record = Callable[[sa.Connection], None]


class Together:
    """The transactions of one request; RequestContext.together of its context.

    :param record: writes the row of a request that calls another service before its end
    :ivar flushed: `record` is committed, and later transactions are ordinary ones
    :ivar ended: transactions are ordinary ones from now on
    :ivar made: id of what the request has created before it calls another service
    """

    def __init__(self, ctxt: RequestContext, record: Record) -> None:
        self.made: str | None = None
        self.flushed = self.ended = False
        self._ctxt, self._record = ctxt, record
        self._thread = threading.get_ident()
        self._open = contextlib.ExitStack()
        self._connection: sa.Connection | None = None
        self._depth = 0
        self._after: list[Callable[[], object]] = []
        self._undo: list[Callable[[], object]] = []

    # ------------------------------------------------------------------------ for db.session
    def connection(self, inside: bool = False) -> sa.Connection | None:
        """Return the open connection.

        :param inside: only if the caller is within one of the transactions.
        """
        if threading.get_ident() != self._thread or (inside and not self._depth):
            return None
        return self._connection

    @contextlib.contextmanager
    def part(self) -> Iterator[sa.Connection]:
        """Provide one of the transactions: an error ends its own changes only."""
        with session.translate_errors():
            conn, savepoint = self._connection, None
            if conn is None:
                conn = self._begin()
            else:
                savepoint = conn.begin_nested()
            self._depth = 1
            try:
                with session.followed(self._ctxt, conn):
                    yield conn
            except BaseException:
                self._depth = 0
                if savepoint is None:
                    self._close()
                else:
                    # Without the connection, the whole request fails; the first error is reported.
                    with contextlib.suppress(*session.BROKEN):
                        savepoint.rollback()
                raise
            self._depth = 0
            if savepoint is not None:
                savepoint.commit()

    def _begin(self) -> sa.Connection:
        with contextlib.ExitStack() as stack:
            stack.enter_context(session.current().write_lock(session.TIMEOUT_SECONDS))
            conn = stack.enter_context(session.current().writer.connect())
            self._transaction = conn.begin()
            self._open = stack.pop_all()
        self._connection = conn
        return conn

    def _close(self) -> None:
        self._connection, opened = None, self._connection
        if opened is not None and self._transaction.is_active:
            with contextlib.suppress(*session.BROKEN):
                self._transaction.rollback()
        self._open.close()

    # ----------------------------------------------------------------------- for use cases
    def after(self, action: Callable[[], object]) -> bool:
        """Keep an action until the commit; return False if nothing waits for it."""
        if self.ended or self._connection is None:
            return False
        self._after.append(action)
        return True

    def undo(self, action: Callable[[], object]) -> None:
        """Keep an action for the case that the commit fails."""
        if not self.ended:
            self._undo.append(action)

    # ------------------------------------------------------------------------ for the request
    def flush(self) -> None:
        """Commit what is open, because another service is about to be called."""
        if not (self.ended or self._connection is None or self._depth):
            self._commit(self._connection, self._record)
            self.flushed = True

    def commit(self, record: Record) -> None:
        """Write the row of the request and commit.

        :raises CinderException: nothing was committed.
        :raises CommitUnknown: the connection was lost during the commit.
        """
        with session.translate_errors():
            conn = self._connection or self._begin()
        self._commit(conn, record)

    def roll_back(self) -> None:
        """Undo everything; nothing happens after a commit."""
        if self.ended:
            return
        self.ended = True
        self._close()
        for action in self._undo:
            action()

    def _commit(self, conn: sa.Connection, record: Record) -> None:
        try:
            fault_points.reach('request:commit:before')
            with session.translate_errors():
                self._depth = 1
                record(conn)
                self._depth = 0
                session.commit(self._transaction)
        except exception.CommitUnknown:
            self.ended = True  # it may exist, so nothing is undone
            self._close()
            raise
        except BaseException:
            self._depth = 0
            self.roll_back()
            raise
        self.ended = True
        self._close()
        self._ctxt.commits[0] += 1
        fault_points.reach('request:commit:after')
        for action in self._after:
            try:
                action()
            except Exception:
                # The request is accepted; what is missing is a hint, or is said in the log.
                failures.log(LOG, 'What follows the commit of a request failed.')
