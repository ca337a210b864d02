# SPDX-License-Identifier: Apache-2.0
"""Copies a database of the original into the configured one: the steps of the mapping, in batches
by key, each with its progress in one transaction. What becomes of a row, batches.py decides."""
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import context, exception, fault_points
from cinder.db import errors, migration, models, revisions, session
from cinder.db.adoption import hosts, mapping, progress, repetitions, selection
from cinder.db.adoption.batches import REMEDY, Converter, Made
from cinder.db.adoption.findings import REFUSAL, WARNING, Findings
from cinder.db.adoption.pace import Pace
from cinder.db.adoption.source import Source

# Rows of a batch.
BATCH = 1000
_DAY = 86400
Show = Callable[[str], None]


class Result:
    """What an adoption did.

    :param rows: rows that were copied, by step
    """

    def __init__(self, rows: dict[str, int], findings: Findings, seconds: float) -> None:
        self.rows, self.findings, self.seconds = rows, findings, seconds


def adopt(source: Source, renamed: dict[str, str], deleted_days: int, show: Show,
          leave_out: bool = False) -> Result:
    """Copy everything, or continue a copy that was interrupted.

    :param renamed: beginnings of host names -> new beginnings
    :param deleted_days: also copy rows that were deleted in so many days
    :param show: gets lines for the operator
    :param leave_out: whether the daemons may use the rows though some were refused
    :raises Conflict: the target has rows of its own
    :raises InvalidInput: a renamed host does not exist
    """
    started, ctxt = time.monotonic(), context.get_admin_context()
    revisions.adopt_in_this_process()
    hosts.check(source, renamed)
    run = _begin(ctxt, source, progress.Run(
        source.name, source.revision, renamed, deleted_days, ''), show, leave_out)
    states = progress.steps(ctxt)
    pace = Pace(source, run, states, show)
    for step in mapping.STEPS:
        state = states[step.name]
        if not state.finished:
            _Copy(ctxt, source, step, run, state).run(pace.advance)
    findings = Findings()
    for step in mapping.STEPS:
        findings.merge(states[step.name].findings.all())
    progress.end(ctxt, run, finished=leave_out or not findings.refused)
    return Result({step.name: states[step.name].rows_written for step in mapping.STEPS}, findings,
                  time.monotonic() - started)


# --------------------------------------------------------------------------------------- the start
def _begin(ctxt: context.RequestContext, source: Source, new: progress.Run, show: Show,
           leave_out: bool) -> progress.Run:
    """Return the run that is continued, or begin the new one."""
    migration.db_sync()
    former = progress.begun(ctxt) if progress.exists() else None
    foreign = _own_rows(ctxt, was_adopted=former is not None)
    if foreign:
        raise exception.Conflict(f'[database] connection has rows that were not adopted '
                                 f'({foreign}): expected an empty database.')
    if former is not None and former.is_of(new):
        if not former.complete:
            show('The copy that was interrupted is continued.')
            return former
        if leave_out and not former.finished:
            show('The rows that were refused are left out.')
            return former
    if former is not None:
        show('The rows of the last adoption are removed, and copied again.')
    with session.reader(ctxt) as conn:
        since = conn.execute(sa.select(session.in_seconds(-new.deleted_days * _DAY))).scalar_one()
    new.since = since.isoformat()
    progress.make()
    progress.begin(ctxt, new, [step.name for step in mapping.STEPS])
    return new


def _own_rows(ctxt: context.RequestContext, was_adopted: bool) -> str | None:
    """Return which rows of the target are its own: of its daemons or, where nothing was adopted,
    any but the type that db sync makes."""
    services = models.Service.__table__
    with session.reader(ctxt) as conn:
        if conn.execute(sa.select(services.c.id).where(services.c.report_count > 0)).first():
            return 'services have reported'
        if conn.execute(sa.select(models.Operation.__table__.c.id)).first():
            return 'operations'
        for step in mapping.STEPS if not was_adopted else ():
            table = models.metadata.tables[step.target]
            where = table.c.name != '__DEFAULT__' if step.target == 'volume_types' else sa.true()
            if conn.execute(sa.select(sa.literal(1)).select_from(table).where(where)).first():
                return step.target
    return None


# -------------------------------------------------------------------------------------- one step
class _Copy:
    """The copy of one step."""

    def __init__(self, ctxt: context.RequestContext, source: Source, step: mapping.Step,
                 run: progress.Run, state: progress.StepState) -> None:
        self._ctxt, self._source, self._step, self._state = ctxt, source, step, state
        self._where = selection.where(source, step, run)
        self._converter = Converter(step, source, run.hosts, state.findings)
        self._target = self._converter.target

    def run(self, advance: Callable[[str, int, int], None]) -> None:
        """Copy what is left; `advance` gets the step, the rows of a batch and those of the step."""
        self._converter.repeated = repetitions.find(self._source, self._step)
        if not self._state.finished and self._state.position is None:
            self._refuse_without_key()
        while not self._state.finished:
            rows = self._source.after(self._step.source, self._step.key, self._state.position,
                                      BATCH, self._where)
            with fault_points.around('adopt.batch'):
                self._copy(rows)
            advance(self._step.name, len(rows), self._state.rows_read)

    def _refuse_without_key(self) -> None:
        # SQLite allows NULL in keys.
        key = self._source.table(self._step.source).c[self._step.key]
        for _ in range(self._source.count(self._step.source, key.is_(None), *self._where)):
            self._state.rows_read += 1
            self._state.findings.add(
                REFUSAL, 'no-key', self._step.source, f'{self._step.key} is NULL', row_id='NULL',
                remedy=REMEDY)

    def _count(self) -> None:
        """Refuse a table that has other rows than those that were read."""
        present = self._source.count(self._step.source, *self._where)
        if present != self._state.rows_read:
            self._state.findings.add(
                REFUSAL, 'changed', self._step.source,
                f'{self._state.rows_read} rows were read of {present}: the table was changed '
                f'meanwhile, or its {self._step.key} is not unique',
                remedy='Stop the daemons of the original and run this again.')

    def _copy(self, rows: Sequence[dict]) -> None:
        """Convert and store a batch; one that is not full ends the step."""
        state = self._state
        state.rows_read += len(rows)
        state.position = rows[-1][self._step.key] if rows else state.position
        state.finished = len(rows) < BATCH
        if state.finished:
            self._count()
        with session.reader(self._ctxt) as conn:
            made = self._converter.convert(conn, rows)
        try:
            _store(self._ctxt, self._step, self._target, made, state)
        except (db_exc.DBError, sa.exc.StatementError, exception.InvalidInput) as exc:
            if errors.is_unavailable(exc):
                raise
            _store_singly(self._ctxt, self._step, self._target, made, state)
        state.stored = state.rows_read


@session.retry_on_deadlock
def _store(ctxt: context.RequestContext, step: mapping.Step, target: sa.Table, rows: list[Made],
           state: progress.StepState) -> None:
    """Insert the rows, all or none, with the state of the step after them."""
    with session.writer(ctxt) as conn:
        if rows:
            conn.execute(target.insert(), [row for _key, row in rows])
        _end_batch(conn, step, target, state, len(rows))
    state.rows_written += len(rows)


@session.retry_on_deadlock
def _store_singly(ctxt: context.RequestContext, step: mapping.Step, target: sa.Table,
                  rows: list[Made], state: progress.StepState) -> None:
    """Insert the rows that the database accepts, and report the others."""
    findings, written = Findings.restored(state.findings.as_data()), 0
    with session.writer(ctxt) as conn:
        for key, row in rows:
            try:
                with conn.begin_nested():
                    conn.execute(target.insert(), row)
            except (db_exc.DBError, sa.exc.StatementError) as exc:
                if errors.is_unavailable(exc):
                    raise
                _refuse(step, findings, key, isinstance(exc, db_exc.DBDuplicateEntry))
            else:
                written += 1
        _end_batch(conn, step, target, state, written, findings)
    state.rows_written += written
    state.findings.merge(findings.all())


def _refuse(step: mapping.Step, findings: Findings, key: object, is_duplicate: bool) -> None:
    """Report a row that the database does not accept."""
    if is_duplicate and step.merged:
        findings.add(WARNING, 'merged', step.source, 'has the name of another row here, which is '
                     'kept', row_id=key)
    else:
        findings.add(REFUSAL, 'not-stored', step.source, 'has a value that ' + (
            'another row has, which must be unique' if is_duplicate
            else 'the database refuses'), remedy=REMEDY, row_id=key)


def _end_batch(conn: sa.Connection, step: mapping.Step, target: sa.Table,
               state: progress.StepState, written: int,
               findings: Findings | None = None) -> None:
    """Store the state of the step after a batch, in the transaction of the batch."""
    progress.store(conn, step.name, progress.StepState(
        state.position, state.rows_read, state.rows_written + written, state.finished,
        (findings or state.findings).as_data()), state.stored)
    if state.finished and conn.dialect.name == 'postgresql' and isinstance(
            target.c[0].type, sa.Integer):
        # The ids came with the rows, and the sequence has not moved.
        conn.execute(sa.select(sa.func.setval(
            sa.func.pg_get_serial_sequence(target.name, target.c[0].name),
            sa.select(sa.func.coalesce(sa.func.max(target.c[0]), 0) + 1).scalar_subquery(),
            sa.false())))
