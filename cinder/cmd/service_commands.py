# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage service`, `host` and `cluster`: lists that scripts read, in the columns and with
the marks of the original, or on request for people; and the removal of what does not exist any
more."""
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cinder import context, exception
from cinder.cmd.tables import complain, print_table
from cinder.db import clusters, renames, services

# Title -> minimum width; scripts cut these columns out.
_SERVICES = {'Binary': 16, 'Host': 36, 'Zone': 16, 'Status': 10, 'State': 5, 'Updated At': 20,
             'RPC Version': 12, 'Object Version': 15, 'Cluster': 36}
_CLUSTERS = {'Name': 36, 'Binary': 16, 'Status': 10, 'State': 5, 'Heartbeat': 20, 'Hosts': 7,
             'Down Hosts': 12, 'Updated At': 20}
_REASON = 'Reason'
REMOVE: tuple[tuple[str, dict[str, Any]], ...] = (
    ('binary', {'help': 'the program of its services'}), ('cluster_name', {}),
    ('--recursive', {'action': 'store_true', 'help': 'remove the services of its hosts too'}))
RENAME: tuple[tuple[str, dict[str, Any]], ...] = (
    ('current', {'help': 'the present name, with or without @BACKEND'}), ('new', {}),
    ('--full-rename', {'action': 'store_true', 'help': 'the new name replaces @BACKEND and #POOL '
                       'too'}))


def service_list(readable: bool = False) -> None:
    """Print the services and the times of their last reports."""
    rows = services.list_all(context.get_admin_context())
    cells = [(row.binary, row.host, row.availability_zone, _status(row.disabled),
              _state(row.is_up, readable), _moment(row.updated_at), row.rpc_current_version,
              row.object_current_version, row.cluster_name or '') for row in rows]
    if readable:
        print_table((*_SERVICES, _REASON), (
            (*(None if cell == 'None' else cell for cell in line), row.disabled_reason)
            for line, row in zip(cells, rows, strict=True)))
    else:
        _print_columns(_SERVICES, cells)


def service_remove(binary: str, host_name: str) -> int | None:
    """Remove a service that no longer exists."""
    ctxt = context.get_admin_context()
    try:
        services.destroy(ctxt, services.get_by_host_binary(ctxt, host_name, binary).id)
    except exception.ServiceNotFound as exc:
        return complain(f'Host not found. Failed to remove {binary} on {host_name}.\n{exc}', 2)
    print(f'Service {binary} on host {host_name} removed.')
    return None


def host_list(zone: str | None = None) -> None:
    """Print the hosts and their zones."""
    rows = services.list_all(context.get_admin_context())
    hosts = {(row.host, row.availability_zone): None for row in rows}
    print('\t'.join(title.ljust(width) for title, width in (('host', 25), ('zone', 15))))
    for host, where in hosts:
        if zone in (None, where):
            print(f'{host:<25}\t{where or "":<15}')


def cluster_list(readable: bool = False) -> None:
    """Print the clusters and how many of their hosts are down."""
    rows = clusters.list_rows(context.get_admin_context())
    cells = [(row['name'], row['binary'], _status(row['disabled']),
              _state(row['is_up'], readable), _moment(row['last_heartbeat']), row['num_hosts'],
              row['num_down_hosts'], _moment(row['updated_at'])) for row in rows]
    if readable:
        print_table(tuple(_CLUSTERS), cells)
    else:
        _print_columns(_CLUSTERS, cells)


def cluster_remove(binary: str, cluster_name: str, recursive: bool = False) -> int | None:
    """Remove a cluster that has no hosts, or with its hosts."""
    ctxt = context.get_admin_context()
    try:
        hosts = renames.remove_cluster(ctxt, binary, cluster_name, recursive)
    except exception.ClusterNotFound:
        return complain(f"Couldn't remove cluster {cluster_name} because it doesn't exist.", 2)
    except exception.ClusterHasHosts:
        return complain(f"Couldn't remove cluster {cluster_name} because it still has hosts.", 2)
    print(f'Cluster {cluster_name} successfully removed.' if not recursive else
          f'Cluster {cluster_name} and {hosts} services successfully removed.')
    return None


def cluster_rename(current: str, new: str, full_rename: bool = False) -> int | None:
    """Change the name of the cluster in volumes and groups, not in services: restart these."""
    volumes, groups = renames.rename_cluster(
        context.get_admin_context(), current, new, full_rename)
    if not volumes and not groups:
        return complain(f'No volumes or consistency groups exist in cluster {current}.', 2)
    print(f'Successfully renamed {volumes} volumes and {groups} consistency groups from cluster '
          f'{current} to {new}')
    return None


def _status(disabled: bool) -> str:
    return 'disabled' if disabled else 'enabled'


def _state(is_up: bool, readable: bool) -> str:
    if readable:
        return 'up' if is_up else 'down'
    return ':-)' if is_up else 'XXX'


def _moment(when: datetime.datetime | None) -> str:
    return 'None' if when is None else str(when)


def _print_columns(widths: Mapping[str, int], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their titles; a long cell moves the others, as in the original."""
    for line in (tuple(widths), *rows):
        print(' '.join(str(cell).ljust(width)
                       for cell, width in zip(line, widths.values(), strict=True)))
