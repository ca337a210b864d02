# SPDX-License-Identifier: Apache-2.0
"""The SQL of the usage audit: volumes, snapshots and backups that existed in a period, also those
that were deleted since."""
import datetime
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import backups, models, pairs, session

# Rows that are read with one statement.
BATCH = 500
_ATTACHMENTS = models.VolumeAttachment.__table__
_TRASH = models.Trash.__table__
_COUNTED = sa.select(_TRASH.c.id).where(_TRASH.c.counted == sa.true())
_KINDS: dict[str, tuple[sa.Table, type[objects.CinderObject]]] = {
    'volume': (models.Volume.__table__, objects.Volume),
    'snapshot': (models.Snapshot.__table__, objects.Snapshot),
    'backup': (models.Backup.__table__, objects.Backup)}
_METADATA = {
    'volume': {'metadata': pairs.Pairs(models.VolumeMetadata.__table__, 'volume_id'),
               'glance_metadata': pairs.Pairs(models.VolumeGlanceMetadata.__table__, 'volume_id')},
    'snapshot': {'metadata': pairs.Pairs(models.SnapshotMetadata.__table__, 'snapshot_id')}}
KINDS = tuple(_KINDS)


def now(ctxt: RequestContext) -> datetime.datetime:
    """Return the time of the database, naive UTC."""
    with session.reader(ctxt) as conn:
        found: datetime.datetime = conn.execute(sa.select(session.utcnow())).scalar_one()
    return found


def existing(ctxt: RequestContext, kind: str, begin: datetime.datetime,
             end: datetime.datetime,
             ) -> Iterator[tuple[Any, datetime.datetime | None, dict[str, object]]]:
    """Yield the resources that existed in a period, when each was deleted, and what else its
    notification has. What the trash keeps, counted for the quota of its project, exists.

    :param kind: one of KINDS
    :param begin: naive UTC, as `end`, which is not included
    """
    table, made = _KINDS[kind]
    # A backup is not kept.
    gone = table.c.deleted_at if kind == 'backup' else sa.case(
        (table.c.id.in_(_COUNTED), sa.null()), else_=table.c.deleted_at)
    where = [table.c.created_at < end, sa.or_(gone.is_(None), gone >= begin)]
    if 'use_quota' in table.c:
        # Volumes and snapshots of the service itself are not billed.
        where.append(sa.func.coalesce(table.c.use_quota, sa.true()) == sa.true())
    last = ''
    while True:
        with session.reader(ctxt) as conn:
            rows = conn.execute(sa.select(*table.c, gone.label('gone_at')).where(
                *where, table.c.id > last).order_by(table.c.id).limit(BATCH)).mappings().all()
            found = _with_details(conn, kind, [made.from_row(row) for row in rows])
            more = _more(ctxt, kind, [each.id for each in found])
        yield from zip(found, (row['gone_at'] for row in rows), more, strict=True)
        if len(rows) < BATCH:
            return
        last = rows[-1]['id']


def _more(ctxt: RequestContext, kind: str, ids: list[str]) -> list[dict[str, object]]:
    if kind != 'backup' or not ids:
        return [{} for _ident in ids]
    counts = backups.count_dependents(ctxt, ids)
    return [{'num_dependents': counts.get(ident, 0)} for ident in ids]


def _with_details(conn: sa.Connection, kind: str, found: list[Any]) -> list[Any]:
    ids = [each.id for each in found]
    for name, side in _METADATA.get(kind, {}).items():
        values = side.of_rows(conn, ids) if ids else {}
        for each in found:
            setattr(each, name, values.get(each.id, {}))
    if kind == 'volume' and ids:
        rows = conn.execute(sa.select(*_ATTACHMENTS.c).where(
            _ATTACHMENTS.c.volume_id.in_(ids), _ATTACHMENTS.c.deleted == sa.false())).mappings()
        attached: dict[str, list[objects.VolumeAttachment]] = {}
        for row in rows:
            attached.setdefault(row['volume_id'], []).append(
                objects.VolumeAttachment.from_row(row))
        for each in found:
            each.attachments = attached.get(each.id, [])
    return found
