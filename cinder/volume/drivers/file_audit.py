# SPDX-License-Identifier: Apache-2.0
"""Compares rows with the files of a directory. It changes nothing: a file may be the only copy of
the data of a tenant."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cinder.volume.driver_types import Finding, Rows
from cinder.volume.drivers import lvm_audit, trash_audit, trash_names
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume


def findings(folder: str, files: Mapping[str, int], rows: Rows) -> Iterator[Finding]:
    """Yield the differences.

    :param files: name -> bytes of all files in the directory
    """
    wanted: dict[str, tuple[str, Volume | Snapshot, int]] = {
        row.name: ('volume', row, row.size) for row in rows.volumes}
    wanted |= {row.name: ('snapshot', row, row.volume_size) for row in rows.snapshots}
    for name, (kind, row, size) in wanted.items():
        # Names contain the id, except the name of a migrated volume, which contains its former id.
        if row.id in rows.busy or row.status not in lvm_audit.STORED:
            continue
        path = f'{folder}/{name}'
        if name not in files:
            yield Finding('missing', name, f'{kind} {row.id} is {row.status}, and there is no '
                          f'{path}', f'mv {folder}/{kept(name)} {path}' if kept(name) in files else
                          f'restore it from a backup, or delete the {kind}')
        elif kind == 'volume':
            yield from lvm_audit.sizes(name, path, files[name], row.id, size,
                                       f'truncate -s {size}G {path}')
    trash = trash_audit.Trash(rows)
    yield from trash.missing(files, lambda name: f'{folder}/{name}')
    for name in sorted(files.keys() - wanted.keys() - trash.names):
        yield from _orphan(f'{folder}/{name}', name, rows)


def _orphan(path: str, name: str, rows: Rows) -> Iterator[Finding]:
    place = rows.place_of(trash_names.owner(name))
    if place is None or any(ident in name for ident in rows.busy):
        return
    if place:
        yield Finding('elsewhere', name, f'{path} belongs to a row of {place}',
                      'cinder-manage service list; if that host was renamed, give it its name '
                      'back (host, enabled_backends)')
    else:
        yield Finding('orphan', name, f'{path} has no row', f'rm {path}, if it is not needed; '
                      'it may contain data of a tenant')
