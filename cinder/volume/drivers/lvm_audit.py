# SPDX-License-Identifier: Apache-2.0
"""Compares rows with a volume group: logical volumes, the device mapper table, the device ids in
the thin pool, and exports. What is safe is repaired on request; the rest is reported and never
changed."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cinder.brick.local_dev import device_mapper, reports
from cinder.brick.local_dev import lvm as brick
from cinder.volume.driver_types import Finding, Rows
from cinder.volume.drivers import trash_audit, trash_names
from cinder.volume.drivers.exported import GIB
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume
    from cinder.volume.targets.base import Target

# Statuses in which the data of a row must exist; in the others it may exist or not.
STORED = frozenset((
    'available', 'in-use', 'reserved', 'attaching', 'detaching', 'maintenance', 'extending',
    'error_extending', 'retyping', 'uploading', 'backing-up', 'awaiting-transfer'))


class Audit:
    """One comparison.

    :param lvm: the volume group
    :param rows: what the database says
    :param lv_name: function that returns the name of the logical volume of a snapshot
    :param heal: repair what is safe to repair
    """

    def __init__(self, lvm: brick.LVM, rows: Rows, lv_name: Callable[[Snapshot], str],
                 heal: bool) -> None:
        self._lvm, self._rows, self._heal = lvm, rows, heal
        self._wanted: dict[str, tuple[str, Volume | Snapshot, int]] = {
            volume.name: ('volume', volume, volume.size) for volume in rows.volumes}
        self._wanted |= {lv_name(snapshot): ('snapshot', snapshot, snapshot.volume_size)
                         for snapshot in rows.snapshots}
        self._trash = trash_audit.Trash(rows, lv_name)
        # Names contain the id, except the name of a migrated volume, which contains its former id.
        self._busy = {name for name, (_kind, row, _size) in self._wanted.items()
                      if row.id in rows.busy} | set(rows.busy)

    def findings(self) -> Iterator[Finding]:
        """Yield the differences.

        :raises LVMError: the group cannot be read
        """
        present = dict(self._lvm.group(refresh=True).volumes)
        # First, because an interrupted revert leaves the volume under another name.
        yield from self._half_made(present)
        for name, (kind, row, size) in self._wanted.items():
            if not self._is_busy(name):
                yield from self._row(present, name, kind, row, size)
        yield from self._trash.missing(present, self._lvm.full_name)
        yield from self._orphans(present)
        devices = device_mapper.devices(self._lvm)
        yield from self._devices(present, devices)
        yield from self._thin_ids(present, devices)

    def _is_busy(self, name: str) -> bool:
        return any(each in name for each in self._busy)

    def _mend(self, finding: Finding, *argv: str) -> Finding:
        """Return the finding, marked as repaired if that was requested and LVM did it."""
        if not self._heal:
            return finding
        try:
            self._lvm.change(*argv)
        except reports.LVMError as exc:
            what = f'{finding.what}; {argv[0]} could not repair it: {exc}'
            return dataclasses.replace(finding, what=what)
        return dataclasses.replace(finding, healed=True)

    # ---------------------------------------------------------------- logical volumes
    def _half_made(self, present: dict[str, reports.LogicalVolume]) -> Iterator[Finding]:
        """Yield volumes with temporary names that were left by operations which will not run
        again."""
        for name in sorted(present):
            prefix, _dash, owner = name.partition('-')
            if prefix not in ('revert', 'clone') or owner not in self._wanted or self._is_busy(
                    owner):
                continue
            full = self._lvm.full_name(name)
            if prefix == 'revert' and owner not in present:
                yield self._mend(
                    Finding('half-made', owner, f'{full} contains the volume, whose revert was '
                                                f'interrupted',
                            f'lvrename {self._lvm.vg_name} {name} {owner}'),
                    'lvrename', self._lvm.vg_name, name, owner)
                if self._heal:
                    present[owner] = present.pop(name)
            elif not present[name].is_open:
                yield self._mend(
                    Finding('half-made', name, f'{full} was left by an operation that has ended',
                            f'lvremove {full}'), 'lvremove', '-f', full)
                if self._heal:
                    del present[name]

    def _row(self, present: dict[str, reports.LogicalVolume], name: str, kind: str,
             row: Volume | Snapshot, size: int) -> Iterator[Finding]:
        found, full = present.get(name), self._lvm.full_name(name)
        if found is None:
            if row.status in STORED:
                yield Finding(
                    'missing', name, f'{kind} {row.id} is {row.status}, but {full} does not exist',
                    f'lvrename {self._lvm.vg_name} {kept(name)} {name}'
                    if kept(name) in present else
                    f'look for it in `lvs -a` and in /etc/lvm/archive; restore it from a backup, '
                    f'or delete the {kind}')
            return
        if kind == 'volume' and row.status in STORED:
            yield from sizes(name, full, found.size, row.id, size, f'lvextend -L {size}g {full}')
        if found.attr[4] in 'sSdi':
            # Left by a process that died between suspend and resume.
            yield self._mend(
                Finding('suspended', name, f'{full} is suspended or has no table, so I/O hangs',
                        f'lvchange --refresh {full}'), 'lvchange', '--refresh', full)
        elif kind == 'volume' and not found.is_active:
            yield self._mend(Finding('inactive', name, f'{full} is not active',
                                     f'lvchange -ay -K {full}'), 'lvchange', '-ay', '-K', full)

    def _orphans(self, present: dict[str, reports.LogicalVolume]) -> Iterator[Finding]:
        for name in sorted(present.keys() - self._wanted.keys() - self._trash.names):
            owner = trash_names.owner(name.removeprefix('revert-').removeprefix('clone-'))
            full = self._lvm.full_name(name)
            place = self._rows.place_of(owner)
            if place is None or owner in self._wanted or self._is_busy(name):
                continue
            if place:
                yield Finding('elsewhere', name, f'{full} belongs to a row of {place}',
                              'cinder-manage service list; if that host was renamed, give it its '
                              'name back (host, enabled_backends)')
            else:
                yield Finding('orphan', name, f'{full} has no row',
                              f'lvremove {full}, if it is not needed; it may contain data of a '
                              'tenant')

    # ------------------------------------------------------------------ device mapper
    def _devices(self, present: dict[str, reports.LogicalVolume],
                 devices: frozenset[str]) -> Iterator[Finding]:
        """Yield devices that LVM does not know any more; they occupy space and names."""
        known = tuple(self._lvm.mapped_name(name) for name in present)
        for device in sorted(devices - set(known)):
            # Parts of a volume, such as NAME-real, NAME-cow, POOL-tpool, POOL_tmeta.
            if not device.startswith(tuple(f'{name}{sign}' for name in known for sign in '-_')):
                yield Finding('device', device,
                              f'/dev/mapper/{device} belongs to no logical volume',
                              f'dmsetup remove {device}, if `dmsetup info` shows that it is not '
                              'open')

    def _thin_ids(self, present: dict[str, reports.LogicalVolume],
                  devices: frozenset[str]) -> Iterator[Finding]:
        pool = self._lvm.pool_name
        if pool not in present:
            return
        try:
            ids = device_mapper.thin_ids(self._lvm, devices)
        except reports.LVMError as exc:
            yield Finding('unchecked', pool,
                          f'the device ids in {self._lvm.full_name(pool)} could not be read: {exc}',
                          'install thin-provisioning-tools; if another metadata snapshot is '
                          f'reserved: dmsetup message {self._lvm.mapped_name(pool)}-tpool 0 '
                          'release_metadata_snap')
            return
        if ids is None:
            return
        named = {found.thin_id: name for name, found in present.items()
                 if found.pool == pool and found.thin_id is not None}
        for number in sorted(ids - named.keys()):
            yield Finding('thin-id', str(number),
                          f'device {number} of {self._lvm.full_name(pool)} belongs to no logical '
                          'volume',
                          f'dmsetup message {self._lvm.mapped_name(pool)}-tpool 0 '
                          f'"delete {number}"; it uses space, and lvcreate fails when it reaches '
                          'that number')
        for number in sorted(named.keys() - ids):
            yield Finding('no-thin-id', named[number],
                          f'{self._lvm.full_name(named[number])} is device {number} of its pool, '
                          'but the pool has no such device',
                          'its data is lost: delete it and restore it from a backup')


def sizes(name: str, where: str, found: int, volume_id: str, gib: int,
          grow: str) -> Iterator[Finding]:
    """Yield a finding if the storage of a volume does not have the size of its row.

    :param where: name of the volume for an operator
    :param found: size in bytes; storage with larger units may have some more
    :param grow: command that extends it to the size of the row
    """
    larger = found // GIB
    if found < gib * GIB or larger > gib:
        yield Finding('size', name, f'{where} has {found} bytes, but volume {volume_id} has '
                                    f'{gib} GiB',
                      grow if found < gib * GIB else
                      f'openstack volume set --size {larger} {volume_id}, so that the row and '
                      'the quota count the actual size')


def exports(target: Target, rows: Rows, heal: bool) -> Iterator[Finding]:
    """Yield exports that no attachment needs, and attachments without an export."""
    there = target.exports()
    if there is None:
        return
    for_attachments = target.configuration.target_export == 'attached'
    for volume in rows.volumes:
        name = target.export_name(volume)
        if volume.id in rows.connected and name not in there:
            yield Finding('no-export', volume.name, f'volume {volume.id} is attached, but {name} '
                          'is not exported', 'restart cinder-volume, which exports it again')
        elif (for_attachments and name in there and volume.id not in rows.connected
              and volume.status == 'available' and volume.id not in rows.busy):
            finding = Finding('export', volume.name, f'{name} is exported, but no attachment '
                              f'needs it; logged in: {", ".join(there[name]) or "none"}',
                              'log the initiators out, then restart cinder-volume')
            if heal and not there[name]:
                finding = dataclasses.replace(finding, healed=True, volume_id=volume.id,
                                              fields=target.remove_export(volume))
            yield finding
    for name in sorted(there.keys() - {target.export_name(volume) for volume in rows.volumes}):
        # The daemon also has the exports of other back ends; only exports of deleted rows are
        # reported.
        volume_name = target.name_in(name)
        if volume_name and rows.place_of(volume_name) == '':
            yield Finding('export', volume_name, f'{name} is exported, but its volume has no row',
                          'remove the target, for instance with tgtadm')
