# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage trash`: lists what the trash of all back ends has, and removes some of it."""
import json

from cinder import context, exception
from cinder.cmd.tables import complain, print_table
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.db import trash as trash_db

COLUMNS = ('id', 'kind', 'project', 'name', 'gib', 'backend', 'status', 'deleted', 'purge')


def show(project_id: str | None = None, backend: str | None = None, as_json: bool = False) -> None:
    """List what the trash has, also what cannot be restored any more, the oldest first."""
    wanted = {'project_id': project_id} if project_id else {}
    rows = trash_db.list_rows(context.get_admin_context(), filters=wanted, all_tenants=True,
                              sort=[('created_at', 'asc')]).rows
    found = [dict(zip(COLUMNS, (
        row['id'], row['resource_type'], row['project_id'], row['display_name'], row['size'],
        row['cluster_name'] or row['host'], row['status'],
        row['created_at'].isoformat(' ', 'seconds'), row['purge_at'].isoformat(' ', 'seconds')),
        strict=True)) for row in rows if backend is None or _is_at(row, backend)]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_table(COLUMNS, (each.values() for each in found))


def _is_at(row: dict, name: str) -> bool:
    return any(f'{place}#'.startswith(f'{name}#') for place in (row['host'], row['cluster_name'])
               if place)


def purge(resource_id: str) -> int:
    """Remove a volume, with its snapshots, or a snapshot from the trash for ever."""
    from cinder.rpc import base as rpc
    from cinder.volume.api import trash
    rpc.init(CONF, services_db.minimum_versions)
    try:
        trash.purge(context.get_admin_context(), resource_id)
    except (exception.NotInTrash, exception.TrashBusy) as exc:
        return complain(exc, 1)
    rpc.flush()
    print(f'{resource_id} is being removed')
    return 0
