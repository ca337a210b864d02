# SPDX-License-Identifier: Apache-2.0
"""Deletes rows that were marked as deleted long ago, in small transactions, children first."""
import sqlalchemy as sa

from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import events, filters, idempotency_keys, journal, models, session

_DAY = 86400


def _soft_deleted() -> list[sa.Table]:
    """Return the tables with soft deletion, children first."""
    return [table for table in reversed(models.metadata.sorted_tables) if 'deleted' in table.c]


def _unreferenced(table: sa.Table) -> list[filters.Condition]:
    """Return conditions: no row of another table, except dependent rows, refers to the row."""
    conditions = []
    for child in models.metadata.tables.values():
        # The alias distinguishes the row if a table refers to itself.
        other = child.alias('child')
        conditions += [
            ~sa.exists().where(other.c[key.parent.name] == table.c[key.column.name])
            for key in child.foreign_keys
            if key.column.table is table and key.ondelete != 'CASCADE']
    return conditions


def purge_deleted(ctxt: RequestContext, age_days: int, batch: int = 500) -> int:
    """Delete rows that were marked as deleted `age_days` days ago, and operations as old;
    also the events that are older than events_retention.

    :param batch: maximum number of rows in a transaction, so that their locks are held briefly.
    :returns: number of deleted rows, without dependent rows.
    """
    removed = 0
    for table in _soft_deleted():
        while done := _purge(ctxt, table, age_days * _DAY, batch):
            removed += done
    while done := journal.purge_finished(ctxt, age_days * _DAY, batch):
        removed += done
    while done := idempotency_keys.purge_expired(ctxt, batch):
        removed += done
    while done := events.purge(ctxt, CONF.events_retention, batch):
        removed += done
    return removed


@session.retry_on_deadlock
def _purge(ctxt: RequestContext, table: sa.Table, seconds: int, batch: int) -> int:
    with session.writer(ctxt) as conn:
        ids = conn.execute(sa.select(table.c.id).where(
            table.c.deleted_at < session.in_seconds(-seconds), table.c.deleted == sa.true(),
            *_unreferenced(table)).limit(batch)).scalars().all()
        if ids:
            conn.execute(table.delete().where(table.c.id.in_(ids)))
    return len(ids)
