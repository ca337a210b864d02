# SPDX-License-Identifier: Apache-2.0
"""Counts usage a second time for `cinder-manage quota check`: row by row, in Python. It shares no
SQL with the sums of cinder.db.quotas, so that it finds errors in them."""

import collections
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backups, journal, quotas, session, snapshots, trash, types, volumes

PAGE = 1000


class Difference(NamedTuple):
    """A quota of a project for which both ways of counting differ."""

    project_id: str
    quota: str
    counted: int
    rows: int


def differences(ctxt: RequestContext, project_id: str | None = None) -> list[Difference]:
    """Compare the usage that quotas count with the rows.

    :param project_id: only this project; None: all projects with resources
    """
    projects = [project_id] if project_id else quotas.projects(ctxt)
    return [found for project in projects for found in _compare(ctxt, project)]


def _compare(ctxt: RequestContext, project_id: str) -> Iterator[Difference]:
    # With the lock of the project, both counts see the same rows.
    with session.writer(ctxt):
        quotas.lock(ctxt, project_id)
        counted = quotas.limits_and_usage(ctxt, project_id).usage
        rows = _rows(ctxt, project_id)
    for quota in sorted(rows.keys() | {name for name in counted if _has_rows(name)}):
        if counted.get(quota, 0) != rows[quota]:
            yield Difference(project_id, quota, counted.get(quota, 0), rows[quota])


def _has_rows(quota: str) -> bool:
    return quota.startswith(('volumes', 'snapshots', 'gigabytes', 'backup'))


def _rows(ctxt: RequestContext, project_id: str) -> collections.Counter[str]:
    """Return quota name -> usage according to the rows of the project."""
    usage: collections.Counter[str] = collections.Counter()
    names = types.names(ctxt)

    def add(amounts: dict[str, int], type_id: str | None) -> None:
        for quota, amount in amounts.items():
            usage[quota] += amount
            if type_id:
                usage[f'{quota}_{names[type_id]}'] += amount

    for row in _pages(ctxt, volumes.list_rows, project_id, use_quota=True):
        add({'volumes': 1, 'gigabytes': row['size'] + _growth(ctxt, row)}, row['volume_type_id'])
        becoming = _becoming(ctxt, row)
        if becoming in names:
            usage[f'volumes_{names[becoming]}'] += 1
            usage[f'gigabytes_{names[becoming]}'] += row['size'] + _growth(ctxt, row)
    for row in _pages(ctxt, snapshots.list_rows, project_id, use_quota=True):
        size = 0 if CONF.no_snapshot_gb_quota else row['volume_size']
        add({'snapshots': 1, 'gigabytes': size}, row['volume_type_id'])
    for row in _pages(ctxt, trash.list_rows, project_id, counted=True):
        if row['status'] != trash.RESTORING:
            kind = f'{row["resource_type"]}s'
            size = 0 if kind == 'snapshots' and CONF.no_snapshot_gb_quota else row['size']
            add({kind: 1, 'gigabytes': size}, row['volume_type_id'])
    for row in _pages(ctxt, backups.list_rows, project_id):
        add({'backups': 1, 'backup_gigabytes': row['size']}, None)
    return usage


def _growth(ctxt: RequestContext, row: dict) -> int:
    """Return the GiB that a running extension adds to a volume."""
    return volumes.get(ctxt, row['id']).growth if row['status'] == 'extending' else 0


def _becoming(ctxt: RequestContext, row: dict) -> str | None:
    """Return the id of the new type of a volume that is being retyped, or None."""
    return next((each.arguments.get('new_type_id')
                 for each in journal.unfinished_for(ctxt, row['id'])
                 if each.verb == 'volume.retype'), None)


def _pages(ctxt: RequestContext, list_rows: Callable, project_id: str,
           **filters: object) -> Iterator[dict]:
    marker = None
    while True:
        rows = list_rows(ctxt, filters={'project_id': project_id, **filters},
                         all_tenants=True, detail=True, limit=PAGE, marker=marker).rows
        yield from rows
        if len(rows) < PAGE:
            return
        marker = rows[-1]['id']
