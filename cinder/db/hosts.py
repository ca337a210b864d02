# SPDX-License-Identifier: Apache-2.0
"""The SQL of the resources of projects on a host: counts and sums."""
import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import filters, models, session

_VOLUMES = models.Volume.__table__
_SNAPSHOTS = models.Snapshot.__table__


def usage(ctxt: RequestContext, host: str) -> dict[str | None, tuple[int, int, int, int]]:
    """Return project -> (volumes, their GiB, snapshots, their GiB), read with one statement.

    :param host: 'host': that host with all its back ends; 'host@backend': that back end with all
        its pools.
    """
    nothing = sa.literal_column('0')
    volumes = sa.select(
        _VOLUMES.c.project_id, sa.func.count(), sa.func.sum(_VOLUMES.c.size), nothing, nothing,
    ).where(_VOLUMES.c.deleted == sa.false(), _on_host(host)).group_by(_VOLUMES.c.project_id)
    snapshots = sa.select(
        _SNAPSHOTS.c.project_id, nothing, nothing, sa.func.count(),
        sa.func.sum(_SNAPSHOTS.c.volume_size),
    ).join(_VOLUMES, _VOLUMES.c.id == _SNAPSHOTS.c.volume_id).where(
        _SNAPSHOTS.c.deleted == sa.false(), _on_host(host)).group_by(_SNAPSHOTS.c.project_id)
    found: dict[str | None, tuple[int, int, int, int]] = {}
    with session.reader(ctxt) as conn:
        for project_id, *numbers in conn.execute(sa.union_all(volumes, snapshots)).all():
            before = found.get(project_id, (0, 0, 0, 0))
            found[project_id] = tuple(
                old + int(new or 0) for old, new in zip(before, numbers, strict=True))
    return found


def _on_host(host: str) -> filters.Condition:
    column = _VOLUMES.c.host
    return sa.or_(column == host, *(
        column.startswith(host + mark, autoescape=True) for mark in '@#'))
