# SPDX-License-Identifier: Apache-2.0
"""What was made, changed and deleted since an adoption, by comparing both sides. Reads
only; cmd.adopt_diff prints it."""
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from cinder import context
from cinder.db import models, session
from cinder.db.adoption import conversions, mapping, selection
from cinder.db.adoption.source import Source

MADE, CHANGED, DELETED = 'made', 'changed', 'deleted'


class Change(NamedTuple):
    """A resource that is not as it is in the source.

    :param row: its row here; None: it was purged, or was left out by the adoption
    :param differences: column -> (value in the source, value here), if it was changed
    """

    table: str
    what: str
    row_id: str
    row: Mapping[str, Any] | None
    differences: Mapping[str, tuple[Any, Any]] = {}


# Table of ours -> columns whose changes are reported; the order is that of making.
COLUMNS: dict[str, tuple[str, ...]] = {
    'quality_of_service_specs': ('name',),
    'volume_types': ('name', 'description', 'qos_specs_id'),
    'group_types': ('name', 'description'),
    'groups': ('name', 'description', 'status'),
    'volumes': ('display_name', 'display_description', 'size', 'status', 'volume_type_id',
                'project_id', 'host', 'name_id', 'group_id'),
    'snapshots': ('display_name', 'display_description', 'status'),
    'group_snapshots': ('name', 'description', 'status'),
    'backups': ('display_name', 'display_description', 'status'),
    'volume_attachment': ('attach_status', 'instance_uuid', 'attached_host'),
    'transfers': ('display_name',),
}


def changes(source: Source, hosts: Mapping[str, str]) -> Iterator[Change]:
    """Yield all changes: what was deleted, last made first, then what was made and changed.

    :param hosts: renamed hosts, as in the adoption
    """
    made = {table: list(_of_table(source, table, hosts)) for table in COLUMNS}
    for table in reversed(COLUMNS):
        yield from (each for each in made[table] if each.what == DELETED)
    for table in COLUMNS:
        yield from (each for each in made[table] if each.what != DELETED)


def _of_table(source: Source, table: str, hosts: Mapping[str, str]) -> Iterator[Change]:
    step = next(step for step in mapping.STEPS if step.target == table)
    ours = models.metadata.tables[table]
    names = ('id', 'deleted', *COLUMNS[table])
    with session.reader(context.get_admin_context()) as conn:
        here = {row.id: row for row in conn.execute(sa.select(*(ours.c[name] for name in names)))}
        there = _of_source(source, step, hosts)
        for row_id, old in there.items():
            row = here.pop(row_id, None)
            if row is None or row.deleted:
                yield Change(table, DELETED, row_id, _whole(conn, ours, row_id))
                continue
            found = {name: (old[name], getattr(row, name)) for name in COLUMNS[table]
                     if old[name] != getattr(row, name)}
            if found:
                yield Change(table, CHANGED, row_id, _whole(conn, ours, row_id), found)
        for row_id, row in here.items():
            if not row.deleted and getattr(row, 'name', '') != '__DEFAULT__':
                yield Change(table, MADE, row_id, _whole(conn, ours, row_id))


def _whole(conn: sa.Connection, table: sa.Table, row_id: str) -> dict[str, Any] | None:
    found = conn.execute(sa.select(table).where(table.c.id == row_id)).mappings().first()
    return None if found is None else dict(found)


def _of_source(source: Source, step: mapping.Step,
               hosts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return id -> the compared columns of the rows of the source that are not deleted."""
    theirs = source.table(step.source)
    names = {name: step.columns[name].sources[0] for name in ('id', *COLUMNS[step.target])}
    query = sa.select(*(theirs.c[column].label(name) for name, column in names.items())).where(
        *selection.live(source, step.source), *selection.part(source, step))
    with source.connect() as conn:
        found = {row['id']: dict(row) for row in conn.execute(query).mappings()}
    for row in found.values():
        if row.get('host'):
            row['host'] = conversions.rename(row['host'], hosts)
    return found
