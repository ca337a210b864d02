# SPDX-License-Identifier: Apache-2.0
"""A volume group with thick volumes, whose blocks are all allocated at creation. It inherits single
commands from lvm.py; thin_lvm.py has the same methods for thin volumes."""
import contextlib
from collections.abc import Mapping
from typing import Any

from cinder.brick.local_dev import block_copy, group_snapshot, lvm, reports, snapshot_merge

# LVM accepts sizes in whole sectors.
_SECTOR = 512


def _copied(size: int) -> int:
    """Return the bytes that the blocks of a volume and their metadata take in a snapshot."""
    # Each chunk of 4 KiB needs 16 bytes of metadata; the headers need less than 64 KiB. LVM
    # reduces a size of more than can be used.
    return size + size // 256 + 65536


class ThickLVM(lvm.LVM):
    """A snapshot stores the blocks that its origin overwrites; a clone is a copy; blocks are
    cleared on deletion, before they are used for another volume.

    Every operation may run again after an interruption: what exists already is a success.

    :param mirrors: number of additional copies of each volume
    :param mover: clears and copies volumes; None uses dd with its defaults
    :param group: the parameters of lvm.LVM
    """

    def __init__(self, vg_name: str, *group: Any, mirrors: int = 0,
                 mover: block_copy.Blocks | None = None, **options: Any) -> None:
        super().__init__(vg_name, *group, **options)
        self.mirrors = mirrors
        self._mover = mover or block_copy.Blocks(self.execute)

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Return whether a logical volume is a thick volume."""
        return volume.is_plain or volume.is_thick_snapshot

    def capacity(self, group: reports.Group) -> reports.Capacity:
        """Return the capacity of the group, with all mirrors counted."""
        copies = 1 + self.mirrors
        used = group.size - group.free
        return reports.Capacity(group.size // copies, group.free // copies, used // copies,
                                len(group.volumes))

    # ------------------------------------------------------------------------ volumes
    def create_volume(self, name: str, size: int) -> bool:
        """Create a volume of `size` bytes; return False if it exists already.

        :raises NoSpace: the group is full
        :raises LVExists: a volume of that name has another size
        """
        mirrors = ('-m', str(self.mirrors)) if self.mirrors else ()
        # -y -Wy: remains of a file system at the start are wiped without a prompt.
        return self.create(name, size, '-y', '-Wy', '-Zy', *mirrors, '-L', f'{size}b', '-n', name,
                           self.vg_name)

    def create_snapshot(self, name: str, volume: str) -> None:
        """Create a snapshot of the current data of a volume; an existing snapshot is not
        changed.

        :raises NoSpace: the group has less than the snapshot can need
        """
        self._create_snapshot(name, volume, self.find(volume))

    def _create_snapshot(self, name: str, volume: str,
                         found: Mapping[str, reports.LogicalVolume]) -> None:
        if volume not in found:
            raise reports.LVNotFound(data=f'{self.full_name(volume)} not found')
        # Space for every block of the origin: a snapshot that becomes full is lost. In bytes: LVM
        # reduces a percentage to the space that is free, and reports success.
        size = -(-_copied(found[volume].size) // _SECTOR) * _SECTOR
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-y', '-L', f'{size}b', '-n', name,
                        self.full_name(volume))

    def snapshot_size(self, size: int) -> int:
        """Return the bytes that a snapshot of a volume of `size` bytes takes."""
        extent = self.group().extent
        return -(-_copied(size) // extent) * extent

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Create a volume with the data of another volume or of a snapshot.

        :param size: bytes of the new volume; at least `source_size`, the bytes of the source
        :param live: the source is a volume, which may be written to meanwhile
        """
        if live:
            self.create_snapshot(self.remains(name), source)
            self._fill(name, size, source_size)
        else:
            self._copy(name, source, size, source_size)

    def share(self, name: str, source: str) -> bool:
        """Return False: thick volumes share no blocks."""
        return False

    def delete(self, name: str) -> None:
        """Remove a volume or a snapshot, and clear its data; one that does not exist is a success.

        :raises LVInUse: it is open, or has snapshots that would be removed with it
        """
        self._discard(name, self.remains(name))

    def remains(self, name: str) -> str:
        """Return the name of the snapshot that holds the data of a source for the volume `name`."""
        return f'clone-{name}'

    def clear(self, name: str, size: int) -> None:
        """Overwrite a volume of `size` bytes with zeros, as configured."""
        self._mover.clear(self.device(name), size)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        """Revert a volume to the data of the snapshot; the snapshot stays.

        :param size: bytes of the volume; a merge keeps it
        :raises LVInUse: it is open
        """
        snapshot_merge.merge(self, volume, snapshot)
        # The merge has removed the snapshot.
        self.create_snapshot(snapshot, volume)

    def _fill(self, name: str, size: int, source_size: int) -> None:
        """Finish the volume whose data a snapshot holds, and remove the snapshot."""
        held = self.remains(name)
        found = self.find(held).get(held)
        # A snapshot that was split off to be cleared was copied before, and has other data now.
        if found is None or found.is_thick_snapshot:
            self._copy(name, held, size, source_size)
        self._discard(held)

    def _copy(self, name: str, source: str, size: int, source_size: int) -> None:
        """Create a volume from a snapshot."""
        self.create_volume(name, size)
        # Always from the start: how far an interrupted copy came is unknown.
        self._mover.copy(self.device(source), self.device(name), source_size)

    def _discard(self, *names: str) -> None:
        for volume in self.find(*names).values():
            if volume.has_thick_snapshots:
                # lvremove would remove the snapshots as well.
                raise reports.LVInUse(data=f'{self.full_name(volume.name)} has snapshots')
            if volume.is_open:
                # lvremove would refuse that too, but only after the data is cleared.
                raise reports.LVInUse(data=f'{self.full_name(volume.name)} is in use')
            self._clear(volume)
            self.remove(volume.name)

    def _clear(self, volume: reports.LogicalVolume) -> None:
        if not self._mover.clears:
            return
        if volume.is_thick_snapshot:
            # After a split the store of the snapshot is a device that can be overwritten
            # (lvconvert(8)); a write through the snapshot would only fill the store.
            self.change('lvconvert', '-y', '--splitsnapshot', self.full_name(volume.name))
        elif not volume.is_active:
            self.activate(volume.name)
        self.clear(volume.name, volume.size)

    # ---------------------------------------------------------------- several at one moment
    def create_snapshots(self, origins: Mapping[str, str]) -> None:
        """Create consistent snapshots of several volumes, or none.

        :param origins: name of the snapshot -> of its volume; existing snapshots are created again
        :raises LVMError: they cannot be created, or not at the same time
        """
        found = self.find(*origins.values()) if origins else {}
        with (group_snapshot.all_or_none(self, origins, self.delete) as active,
              self.freeze(active)):
            for name, volume in origins.items():
                self._create_snapshot(name, volume, found)

    def hold_sources(self, sources: Mapping[str, str]) -> None:
        """Hold the data of several volumes at the same time; fill_volume() creates new volumes from
        it.

        :param sources: name of a new volume -> of its source
        """
        self.create_snapshots({self.remains(name): source for name, source in sources.items()})

    def fill_volume(self, name: str, size: int, source_size: int) -> None:
        """Finish a volume whose data is held.

        :param size: bytes of the volume
        :param source_size: bytes of the source
        """
        self.activate(self.remains(name))
        self._fill(name, size, source_size)
