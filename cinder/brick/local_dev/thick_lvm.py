# SPDX-License-Identifier: Apache-2.0
"""A volume group whose volumes are thick, all blocks allocated from the start. Single commands
are inherited from lvm.py; thin_lvm.py has the same methods for thin volumes."""
import contextlib
from collections.abc import Mapping
from typing import Any

from cinder.brick.local_dev import block_copy, group_snapshot, lvm, reports


class ThickLVM(lvm.LVM):
    """A snapshot keeps the blocks that its origin overwrites; a clone is a copy; deleted blocks are
    cleared before somebody else gets them.

    Every operation may be run again after any interruption: what is there already is success.

    :param mirrors: further copies of each volume
    :param mover: how to clear and copy volumes; by dd with its own defaults where it is not given
    :param group: the parameters of lvm.LVM
    """

    def __init__(self, vg_name: str, *group: Any, mirrors: int = 0,
                 mover: block_copy.Blocks | None = None, **options: Any) -> None:
        super().__init__(vg_name, *group, **options)
        self.mirrors = mirrors
        self._mover = mover or block_copy.Blocks(self.execute)

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Whether a logical volume is a thick one."""
        return volume.is_plain or volume.is_thick_snapshot

    def capacity(self, group: reports.Group) -> reports.Capacity:
        """What the group has room for, all copies counted."""
        copies = 1 + self.mirrors
        used = group.size - group.free
        return reports.Capacity(group.size // copies, group.free // copies, used // copies,
                                len(group.volumes))

    # ------------------------------------------------------------------------ volumes
    def create_volume(self, name: str, size: int) -> bool:
        """Make a volume of `size` bytes; whether it was made now and not there already.

        :raises NoSpace: the group is full
        :raises LVExists: one of that name and another size is there
        """
        mirrors = ('-m', str(self.mirrors)) if self.mirrors else ()
        # -y -Wy: what is left of a file system at the start is wiped without a question.
        return self.create(name, size, '-y', '-Wy', '-Zy', *mirrors, '-L', f'{size}b', '-n', name,
                           self.vg_name)

    def create_snapshot(self, name: str, volume: str) -> None:
        """Take a snapshot of a volume as it is now; of one that is there, nothing changes."""
        # Room for every block of the origin: a snapshot that runs full is lost.
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-y', '-l', '100%ORIGIN', '-n', name, self.full(volume))

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Make a volume with the bytes of another volume or of a snapshot.

        :param size: bytes of the new volume; not less than `source_size`, those to take over
        :param live: the source is a volume, which may be written to meanwhile
        """
        if live:
            self.create_snapshot(_held(name), source)
            self._fill(name, size, source_size)
        else:
            self._copy(name, source, size, source_size)

    def share(self, name: str, source: str) -> bool:
        """Thick volumes share no blocks: always False."""
        return False

    def delete(self, name: str) -> None:
        """Remove a volume or a snapshot, and its bytes; what is gone already is success.

        :raises LVInUse: it is open, or has snapshots that would go with it
        """
        self._discard(name, _held(name))

    def clear(self, name: str, size: int) -> None:
        """Overwrite a volume of `size` bytes with zeros, as far as the options want that."""
        self._mover.clear(self.device(name), size)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        """Put a volume back to what the snapshot holds; the snapshot stays.

        :param size: bytes of the volume; merging keeps it
        :raises LVInUse: it is open
        """
        found = self.find(volume).get(volume)
        if found and found.is_open:
            # LVM would only note down to merge when the volume is closed.
            raise reports.LVInUse(data=f'{self.full(volume)} is in use')
        # Merging uses the snapshot up, so it is taken again; when it is not there, an
        # earlier attempt was interrupted between the two.
        with contextlib.suppress(reports.LVNotFound):
            self.change('lvconvert', '-y', '--merge', self.full(snapshot), timeout=None)
        self.create_snapshot(snapshot, volume)

    def _fill(self, name: str, size: int, source_size: int) -> None:
        """Finish the volume whose bytes a snapshot holds, and remove that."""
        held = _held(name)
        found = self.find(held).get(held)
        # What was split off to be cleared was copied before, and holds other bytes now.
        if found is None or found.is_thick_snapshot:
            self._copy(name, held, size, source_size)
        self._discard(held)

    def _copy(self, name: str, source: str, size: int, source_size: int) -> None:
        """Make a volume of a snapshot."""
        self.create_volume(name, size)
        # Always from the start: of a copy that was interrupted nobody knows how far it came.
        self._mover.copy(self.device(source), self.device(name), source_size)

    def _discard(self, *names: str) -> None:
        for volume in self.find(*names).values():
            if volume.has_thick_snapshots:
                # lvremove would take the snapshots along.
                raise reports.LVInUse(data=f'{self.full(volume.name)} has snapshots')
            if volume.is_open:
                # lvremove would refuse that too, but only after its bytes are cleared.
                raise reports.LVInUse(data=f'{self.full(volume.name)} is in use')
            self._clear(volume)
            self.remove(volume.name)

    def _clear(self, volume: reports.LogicalVolume) -> None:
        if not self._mover.clears:
            return
        if volume.is_thick_snapshot:
            # Split off, the store of the snapshot is a device of its own that can be overwritten
            # (lvconvert(8)); through the snapshot one would only fill the store.
            self.change('lvconvert', '-y', '--splitsnapshot', self.full(volume.name))
        elif not volume.is_active:
            self.activate(volume.name)
        self.clear(volume.name, volume.size)

    # ---------------------------------------------------------------- several at one moment
    def snapshot_together(self, origins: Mapping[str, str]) -> None:
        """Take snapshots of several volumes at one moment, or none of them.

        :param origins: name of the snapshot -> of its volume; all that are there are taken anew
        :raises LVMError: they cannot be taken, or not at one moment
        """
        with (group_snapshot.all_or_none(self, origins, self.delete) as active,
              self.freeze(active)):
            for name, volume in origins.items():
                self.create_snapshot(name, volume)

    def hold_together(self, sources: Mapping[str, str]) -> None:
        """Take what several volumes hold at one moment; fill_held() makes new volumes of it.

        :param sources: name of a new volume -> of its source
        """
        self.snapshot_together({_held(name): source for name, source in sources.items()})

    def fill_held(self, name: str, size: int, source_size: int) -> None:
        """Finish a volume whose bytes are held: its size, and those that the source has."""
        self.activate(_held(name))
        self._fill(name, size, source_size)


def _held(name: str) -> str:
    """The snapshot that keeps the bytes of a source for the volume `name`."""
    return f'clone-{name}'
