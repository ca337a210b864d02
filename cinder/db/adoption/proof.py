# SPDX-License-Identifier: Apache-2.0
"""The proof of an adoption: the same numbers of resources and GiB on both sides, by project, type
and status. The other parts of it are commands of their own: quota check, volume doctor and api
compare."""
import collections
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from cinder import context
from cinder.db import models, session
from cinder.db.adoption import mapping, selection
from cinder.db.adoption.source import Source


class Count(NamedTuple):
    """Resources that have the same project, type and status on both sides.

    :param type_id: of the volume type or group type, or of what else there are kinds of
    """

    kind: str
    project_id: str | None
    type_id: str | None
    status: str | None
    source: int = 0
    source_gib: int = 0
    target: int = 0
    target_gib: int = 0

    @property
    def differs(self) -> bool:
        return (self.source, self.source_gib) != (self.target, self.target_gib)


class Kind(NamedTuple):
    """The columns that a kind of resource is counted by, equal on both sides; empty: it has none.
    """

    table: str
    project: str = ''
    type: str = ''
    status: str = ''
    size: str = ''


KINDS = (
    Kind('volumes', 'project_id', 'volume_type_id', 'status', 'size'),
    Kind('snapshots', 'project_id', 'volume_type_id', 'status', 'volume_size'),
    Kind('backups', 'project_id', 'service', 'status', 'size'),
    Kind('groups', 'project_id', 'group_type_id', 'status'),
    Kind('group_snapshots', 'project_id', 'group_type_id', 'status'),
    Kind('volume_attachment', '', 'attach_mode', 'attach_status'),
    Kind('transfers', 'source_project_id'),
    Kind('volume_types'), Kind('group_types'), Kind('clusters'),
    Kind('quotas', 'project_id', 'resource'), Kind('default_volume_types', 'project_id'),
)
_GROUP = ('project', 'type', 'status')


def counts(source: Source) -> list[Count]:
    """Count both sides; those that differ come first."""
    found = [count for kind in KINDS for count in _compare(source, kind)]
    return sorted(found, key=lambda each: (not each.differs, each.kind))


def _compare(source: Source, kind: Kind) -> Iterator[Count]:
    step = next(step for step in mapping.STEPS if step.target == kind.table)
    theirs = source.table(step.source)
    where = [*selection.live(source, step.source), *selection.part(source, step)]
    ctxt = context.get_admin_context()
    ours = models.metadata.tables[kind.table]
    with source.connect() as conn:
        old = _counted(conn, theirs, kind, where)
    with session.reader(ctxt) as conn:
        new = _counted(conn, ours, kind, [ours.c.deleted.is_(sa.false())]
                       if 'deleted' in ours.c else [])
    nothing = (0, 0)
    for group in sorted(old.keys() | new.keys(), key=str):
        project, type_id, status = group
        yield Count(kind.table, project, type_id, status, *old.get(group, nothing),
                    *new.get(group, nothing))


def _counted(conn: sa.Connection, table: sa.FromClause, kind: Kind,
             where: list[sa.ColumnElement]) -> Mapping[Any, tuple[int, int]]:
    """Return (project, type, status) -> (number, GiB)."""
    columns = [table.c[name] if name else sa.null()
               for name in (getattr(kind, each) for each in _GROUP)]
    size = sa.func.sum(table.c[kind.size]) if kind.size else sa.literal(0)
    grouped = [column for column in columns if not isinstance(column, sa.sql.elements.Null)]
    query = sa.select(*columns, sa.func.count(), size).where(*where).group_by(*grouped)
    found: dict[Any, tuple[int, int]] = {}
    for *group, number, gib in conn.execute(query):
        if number:
            found[tuple(group)] = number, int(gib or 0)
    return found


def totals(found: list[Count]) -> dict[str, tuple[int, int, int, int]]:
    """Return kind -> sums of the numbers and GiB of the source and of the target."""
    sums: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    names = ('source', 'source_gib', 'target', 'target_gib')
    for each in found:
        sums[each.kind].update({name: getattr(each, name) for name in names})
    return {kind: tuple(sums[kind][name] for name in names) for kind in sums}  # type: ignore[misc]
