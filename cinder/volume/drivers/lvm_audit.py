# SPDX-License-Identifier: Apache-2.0
"""Compares rows with a volume group: logical volumes, device mapper's table, the device ids in the
thin pool, exports. What is safe is healed when asked for, the rest is told and never touched."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cinder.brick.local_dev import device_mapper, reports
from cinder.brick.local_dev import lvm as brick
from cinder.volume.driver_types import Fields, Finding, Rows
from cinder.volume.drivers.exported import GIB

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume
    from cinder.volume.targets.base import Target

# Statuses in which a row says that its bytes are there; in all others they may be, or not.
STORED = frozenset((
    'available', 'in-use', 'reserved', 'attaching', 'detaching', 'maintenance', 'extending',
    'error_extending', 'retyping', 'uploading', 'backing-up', 'awaiting-transfer'))


class Audit:
    """One comparison.

    :param lvm: the group
    :param rows: what the database says
    :param lv_name: gives the name of a snapshot's logical volume
    :param heal: mend what is safe to mend
    """

    def __init__(self, lvm: brick.LVM, rows: Rows, lv_name: Callable[[Snapshot], str],
                 heal: bool) -> None:
        self._lvm, self._rows, self._heal = lvm, rows, heal
        self._wanted = {volume.name: ('volume', volume, volume.size)
                        for volume in rows.volumes}
        self._wanted |= {lv_name(snapshot): ('snapshot', snapshot, snapshot.volume_size)
                         for snapshot in rows.snapshots}
        # Names are made of ids, but of a migrated volume's former one.
        self._busy = {name for name, (_kind, row, _size) in self._wanted.items()
                      if row.id in rows.busy} | set(rows.busy)

    def findings(self) -> Iterator[Finding]:
        """:raises LVMError: the group cannot be read"""
        present = dict(self._lvm.group(refresh=True).volumes)
        # Before anything is judged: an interrupted revert has the volume under another name.
        yield from self._half_made(present)
        for name, (kind, row, size) in self._wanted.items():
            if not self._is_busy(name):
                yield from self._row(present.get(name), name, kind, row, size)
        yield from self._orphans(present)
        devices = device_mapper.devices(self._lvm)
        yield from self._devices(present, devices)
        yield from self._thin_ids(present, devices)

    def _is_busy(self, name: str) -> bool:
        return any(each in name for each in self._busy)

    def _mend(self, finding: Finding, *argv: str) -> Finding:
        """The finding, healed if that was asked for and LVM did it."""
        if not self._heal:
            return finding
        try:
            self._lvm.change(*argv)
        except reports.LVMError as exc:
            what = f'{finding.what}; {argv[0]} refuses to mend it: {exc}'
            return dataclasses.replace(finding, what=what)
        return dataclasses.replace(finding, healed=True)

    # ---------------------------------------------------------------- logical volumes
    def _half_made(self, present: dict[str, reports.LogicalVolume]) -> Iterator[Finding]:
        """What an operation that nobody will run again left under a name of its own."""
        for name in sorted(present):
            prefix, _dash, owner = name.partition('-')
            if prefix not in ('revert', 'clone') or owner not in self._wanted or self._is_busy(
                    owner):
                continue
            full = self._lvm.full(name)
            if prefix == 'revert' and owner not in present:
                yield self._mend(
                    Finding('half-made', owner, f'{full} holds the volume, half reverted',
                            f'lvrename {self._lvm.vg_name} {name} {owner}'),
                    'lvrename', self._lvm.vg_name, name, owner)
                if self._heal:
                    present[owner] = present.pop(name)
            elif not present[name].is_open:
                yield self._mend(
                    Finding('half-made', name, f'{full} is left of an operation that is over',
                            f'lvremove {full}'), 'lvremove', '-f', full)
                if self._heal:
                    del present[name]

    def _row(self, found: reports.LogicalVolume | None, name: str, kind: str,
             row: Volume | Snapshot, size: int) -> Iterator[Finding]:
        full = self._lvm.full(name)
        if found is None:
            if row.status in STORED:
                yield Finding(
                    'missing', name, f'{kind} {row.id} is {row.status}, and there is no {full}',
                    f'look for it in `lvs -a` and in /etc/lvm/archive; restore it from a backup, '
                    f'or delete the {kind}')
            return
        if kind == 'volume' and row.status in STORED:
            yield from sizes(name, full, found.size, row.id, size, f'lvextend -L {size}g {full}')
        if found.attr[4] in 'sSdi':
            # Left so by whoever died between suspending and resuming.
            yield self._mend(
                Finding('suspended', name, f'{full} is suspended or has no table: I/O hangs',
                        f'lvchange --refresh {full}'), 'lvchange', '--refresh', full)
        elif kind == 'volume' and not found.is_active:
            yield self._mend(Finding('inactive', name, f'{full} is not active',
                                     f'lvchange -ay -K {full}'), 'lvchange', '-ay', '-K', full)

    def _orphans(self, present: dict[str, reports.LogicalVolume]) -> Iterator[Finding]:
        for name in sorted(present.keys() - self._wanted.keys()):
            owner, full = name.removeprefix('revert-').removeprefix('clone-'), self._lvm.full(name)
            place = self._rows.place_of(owner)
            if place is None or owner in self._wanted or self._is_busy(name):
                continue
            if place:
                yield Finding('elsewhere', name, f'{full} belongs to a row of {place}',
                              'cinder-manage service list; if that host was renamed, give it its '
                              'name back (host, enabled_backends)')
            else:
                yield Finding('orphan', name, f'{full} has no row',
                              f'lvremove {full}, when nobody misses it; it holds what a tenant '
                              'wrote')

    # ------------------------------------------------------------------ device mapper
    def _devices(self, present: dict[str, reports.LogicalVolume],
                 devices: frozenset[str]) -> Iterator[Finding]:
        """Devices that LVM knows nothing of any more hold space and names."""
        known = tuple(self._lvm.mapped(name) for name in present)
        for device in sorted(devices - set(known)):
            # Parts of a volume, such as NAME-real, NAME-cow, POOL-tpool, POOL_tmeta.
            if not device.startswith(tuple(f'{name}{sign}' for name in known for sign in '-_')):
                yield Finding('device', device,
                              f'/dev/mapper/{device} belongs to no logical volume',
                              f'dmsetup remove {device}, when `dmsetup info` shows nobody has it '
                              'open')

    def _thin_ids(self, present: dict[str, reports.LogicalVolume],
                  devices: frozenset[str]) -> Iterator[Finding]:
        pool = self._lvm.pool_name
        if pool not in present:
            return
        try:
            ids = device_mapper.thin_ids(self._lvm, devices)
        except reports.LVMError as exc:
            yield Finding('unchecked', pool, f'the device ids in {self._lvm.full(pool)} could not '
                          f'be read: {exc}',
                          'install thin-provisioning-tools; if somebody else\'s metadata snapshot '
                          f'is in the way: dmsetup message {self._lvm.mapped(pool)}-tpool 0 '
                          'release_metadata_snap')
            return
        if ids is None:
            return
        named = {found.thin_id: name for name, found in present.items() if found.pool == pool}
        for number in sorted(ids - named.keys()):
            yield Finding('thin-id', str(number),
                          f'device {number} of {self._lvm.full(pool)} belongs to no logical volume',
                          f'dmsetup message {self._lvm.mapped(pool)}-tpool 0 "delete {number}"; it '
                          'takes up space, and lvcreate fails when it comes to that number')
        for number in sorted(named.keys() - ids):
            yield Finding('no-thin-id', named[number],
                          f'{self._lvm.full(named[number])} is device {number} of its pool, which '
                          'has none of that number', 'its bytes are lost: restore it from a backup '
                          'and delete it')


def sizes(name: str, where: str, found: int, volume_id: str, gib: int,
          grow: str) -> Iterator[Finding]:
    """A volume whose storage is not of the size that its row says.

    :param where: what an operator calls it on the storage
    :param found: bytes of it; storage that gives room in larger units has some more
    :param grow: the command that lets it have the size of the row
    """
    larger = found // GIB
    if found < gib * GIB or larger > gib:
        yield Finding('size', name, f'{where} has {found} bytes, volume {volume_id} {gib} GiB',
                      grow if found < gib * GIB else
                      f'openstack volume set --size {larger} {volume_id}: then the row and the '
                      'quota count what is there')


def exports(target: Target, rows: Rows, heal: bool,
            remove: Callable[[Volume], Fields]) -> Iterator[Finding]:
    """Exports that no attachment asks for, and the other way round.

    :param remove: takes back the export of a volume and returns its fields
    """
    there = target.exports()
    if there is None:
        return
    for_attachments = target.configuration.target_export == 'attached'
    for volume in rows.volumes:
        name = target.export_name(volume)
        if volume.id in rows.connected and name not in there:
            yield Finding('no-export', volume.name, f'volume {volume.id} is attached, and {name} '
                          'is not exported', 'restart cinder-volume: it exports it again')
        elif (for_attachments and name in there and volume.id not in rows.connected
              and volume.status == 'available' and volume.id not in rows.busy):
            finding = Finding('export', volume.name, f'{name} is exported, and no attachment '
                              f'asks for it; logged in: {", ".join(there[name]) or "nobody"}',
                              'log the initiators out, then restart cinder-volume')
            if heal and not there[name]:
                finding = dataclasses.replace(finding, healed=True, volume_id=volume.id,
                                              fields=remove(volume))
            yield finding
    for name in sorted(there.keys() - {target.export_name(volume) for volume in rows.volumes}):
        # Another back end's exports are in the same daemon; those of rows that are gone are not.
        volume_name = target.name_in(name)
        if volume_name and rows.place_of(volume_name) == '':
            yield Finding('export', volume_name, f'{name} is exported, and its volume has no row',
                          'remove the target, for instance with tgtadm')
