# SPDX-License-Identifier: Apache-2.0
"""What the page shows of the trash: what the caller may list there, if a back end keeps what is
deleted, or something is there from the time when one did."""
from collections.abc import Mapping
from typing import Any

from cinder.context import RequestContext
from cinder.db import trash as trash_db
from cinder.policies import trash as trash_policy

# Rows of the table.
MOST = 20


def collect(ctxt: RequestContext) -> dict[str, Any] | None:
    """Return `rows`, what is removed first before the others, `number` of all, and whether they are
    `of_all` projects. None: no back end has a trash, or the caller may not list it.

    The rules are those of GET /v3/trash: who sees the hosts sees all projects.
    """
    of_all = ctxt.can(trash_policy.SEE_HOST)
    if not (of_all or ctxt.project_id and ctxt.can(trash_policy.GET_ALL)):
        return None
    page = trash_db.list_rows(ctxt, limit=MOST, sort=(('purge_at', 'asc'),), all_tenants=of_all,
                              with_count=True)
    if not page.count and not trash_db.is_kept_anywhere(ctxt):
        return None
    return {'rows': [_shown(row, of_all) for row in page.rows], 'number': page.count,
            'of_all': of_all}


def _shown(row: Mapping[str, Any], of_all: bool) -> dict[str, Any]:
    return {'resource': f'{row["resource_type"]} {row["id"]}', 'name': row['display_name'] or '',
            'size': row['size'], 'state': row['status'], 'until': row['purge_at'],
            'project': row['project_id'] if of_all else None,
            'place': (row['cluster_name'] or row['host'] or '') if of_all else None}
