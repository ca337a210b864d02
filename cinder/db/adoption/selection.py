# SPDX-License-Identifier: Apache-2.0
"""Which rows of a table of the original are copied, as SQL for any of its engines."""
import sqlalchemy as sa

from cinder.db.adoption import mapping, progress
from cinder.db.adoption.source import Source

# Services that exist here too.
BINARIES = ('cinder-volume', 'cinder-scheduler', 'cinder-backup')


def live(source: Source, table: str) -> list[sa.ColumnElement]:
    """Return the conditions: the row is not deleted."""
    if 'deleted' not in source.columns(table):
        return []
    # An integer has the id of the deleted row.
    no = sa.false() if source.is_boolean(table, 'deleted') else sa.literal_column('0')
    return [source.table(table).c.deleted == no]


def where(source: Source, step: mapping.Step, run: progress.Run) -> list[sa.ColumnElement]:
    """Return the conditions on the rows that a step reads. Rows whose `deleted` is NULL are among
    them, so that they are reported."""
    table = source.table(step.source)
    conditions = []
    if 'deleted' in table.c:
        wanted = [*live(source, step.source), table.c.deleted.is_(None)]
        if step.soft and run.deleted_days:
            wanted.append(sa.and_(table.c.deleted.is_not(None), table.c.deleted_at >= sa.literal(
                run.oldest, sa.DateTime())))
        conditions.append(sa.or_(*wanted))
    return conditions + part(source, step)


def part(source: Source, step: mapping.Step) -> list[sa.ColumnElement]:
    """Return the conditions of a step that reads a part of a table."""
    columns = source.table(step.source).c
    if step.rows == 'qos-roots':
        return [columns.specs_id.is_(None)]
    if step.rows == 'qos-values':
        return [columns.specs_id.is_not(None), _is_not(columns.key, 'consumer')]
    if step.rows == 'limits':
        return [_is_not(columns.resource, 'consistencygroups')]
    if step.rows == 'services':
        return [columns.binary.in_(BINARIES)]
    return []


def _is_not(column: sa.ColumnElement, value: str) -> sa.ColumnElement:
    return sa.or_(column != value, column.is_(None))
