# SPDX-License-Identifier: Apache-2.0
"""The progress of an adoption: a table of the target, which the adoption makes. Each batch changes
it in the transaction of its rows, so that a copy that was killed continues after its last batch."""
import datetime
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from cinder import exception
from cinder.context import RequestContext
from cinder.db import models, revisions, session
from cinder.db.adoption.findings import Findings

_metadata = sa.MetaData()
_LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), 'mysql', 'mariadb')
# One row for each step, and one without name for the whole.
TABLE = sa.Table(
    revisions.ADOPTION, _metadata, sa.Column('step', sa.String(64), primary_key=True),
    sa.Column('position', sa.Text), sa.Column('rows_read', sa.BigInteger, nullable=False),
    sa.Column('rows_written', sa.BigInteger, nullable=False),
    sa.Column('finished', sa.Boolean(create_constraint=False), nullable=False),
    sa.Column('details', _LONG),
    mysql_engine='InnoDB', mysql_charset='utf8mb4', mysql_collate='utf8mb4_bin')
_WHOLE = ''


class Run:
    """An adoption that was begun.

    :param source: name of the source, without password
    :param revision: of the source
    :param hosts: renamed hosts
    :param deleted_days: how old deleted rows may be that are copied
    :param since: time since which deleted rows are copied, as text
    :param complete: whether all steps are finished; the adoption is finished if no row was refused
    """

    def __init__(self, source: str, revision: str, hosts: dict[str, str], deleted_days: int,
                 since: str, complete: bool = False) -> None:
        self.source, self.revision, self.hosts = source, revision, hosts
        self.deleted_days, self.since = deleted_days, since
        self.complete, self.finished = complete, False

    def is_of(self, other: 'Run') -> bool:
        """Return whether both copy the same rows."""
        return ((self.source, self.revision, self.hosts, self.deleted_days)
                == (other.source, other.revision, other.hosts, other.deleted_days))

    def as_text(self) -> str:
        return json.dumps({
            'source': self.source, 'revision': self.revision, 'hosts': self.hosts,
            'deleted_days': self.deleted_days, 'since': self.since, 'complete': self.complete})

    @property
    def oldest(self) -> datetime.datetime:
        """The time since which deleted rows are copied."""
        return datetime.datetime.fromisoformat(self.since)


class StepState:
    """The progress of one step; `stored` is the number of rows that were read when it was stored
    last."""

    def __init__(self, position: object = None, rows_read: int = 0, rows_written: int = 0,
                 finished: bool = False, found: list[dict[str, Any]] | None = None) -> None:
        self.position, self.rows_read, self.rows_written = position, rows_read, rows_written
        self.finished, self.stored = finished, rows_read
        self.findings = Findings.restored(found or [])


def make() -> None:
    """Make the table if it does not exist."""
    with session.current().writer.begin() as conn:
        _metadata.create_all(conn)


def exists() -> bool:
    """Return whether the database was adopted, or its adoption was begun."""
    with session.current().reader.connect() as conn:
        return sa.inspect(conn).has_table(TABLE.name)


def begun(ctxt: RequestContext) -> Run | None:
    """Return the adoption that was begun; None if there is none."""
    with session.reader(ctxt) as conn:
        row = conn.execute(sa.select(TABLE).where(TABLE.c.step == _WHOLE)).mappings().first()
    if row is None:
        return None
    run = Run(**json.loads(row['details']))
    run.finished = row['finished']
    return run


def steps(ctxt: RequestContext) -> dict[str, StepState]:
    """Return name of a step -> its state."""
    with session.reader(ctxt) as conn:
        rows = conn.execute(sa.select(TABLE).where(TABLE.c.step != _WHOLE)).mappings().all()
    return {row['step']: StepState(_value(row['position']), row['rows_read'],
                                   row['rows_written'], row['finished'],
                                   json.loads(row['details'])) for row in rows}


def _text(position: object) -> str:
    """Return a key as JSON; SQLite may have bytes in any column."""
    return json.dumps({'bytes': position.hex()} if isinstance(position, bytes) else position)


def _value(text: str) -> object:
    found = json.loads(text)
    return bytes.fromhex(found['bytes']) if isinstance(found, dict) else found


@session.retry_on_deadlock
def begin(ctxt: RequestContext, run: Run, names: Iterable[str]) -> None:
    """Begin an adoption: remove all adopted rows, and what is known of the last adoption.

    :param names: of the steps
    """
    with session.writer(ctxt) as conn:
        for table in reversed(models.metadata.sorted_tables):
            conn.execute(table.delete())
        conn.execute(TABLE.delete())
        fresh = {'position': _text(None), 'rows_read': 0, 'rows_written': 0, 'finished': False}
        conn.execute(TABLE.insert(), [
            {'step': _WHOLE, **fresh, 'details': run.as_text()},
            *({'step': name, **fresh, 'details': '[]'} for name in names)])


def store(conn: sa.Connection, step: str, state: StepState, before: int) -> None:
    """Store the state of a step in a transaction.

    :param before: rows that were read when the state was stored last
    :raises Conflict: another process has stored it since
    """
    done = conn.execute(TABLE.update().where(
        TABLE.c.step == step, TABLE.c.rows_read == before, TABLE.c.finished == sa.false()).values(
            position=_text(state.position), rows_read=state.rows_read,
            rows_written=state.rows_written, finished=state.finished,
            details=json.dumps(state.findings.as_data())))
    if not done.rowcount:
        raise exception.Conflict('Another "cinder-manage db adopt" copies into the same database. '
                                 'Wait until it ends, or stop it, and run this again.')


@session.retry_on_deadlock
def end(ctxt: RequestContext, run: Run, finished: bool) -> None:
    """Store that all steps are finished.

    :param finished: whether our daemons may use the rows
    """
    run.complete, run.finished = True, finished
    with session.writer(ctxt) as conn:
        conn.execute(TABLE.update().where(TABLE.c.step == _WHOLE).values(
            finished=finished, details=run.as_text()))
