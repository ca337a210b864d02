# SPDX-License-Identifier: Apache-2.0
"""The two kinds of volumes that a group can hold, with the same methods: thin ones in a pool, and
thick ones. LVM (lvm.py) chooses one kind and runs the commands."""
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from cinder.brick.local_dev import reports


class ThinPool:
    """Volumes, snapshots and clones that share the blocks of one pool and need no copying; each
    may go at any time."""

    def __init__(self, lvm: Any) -> None:
        self._lvm = lvm

    def create(self, name: str, size: int) -> None:
        lvm = self._lvm
        lvm.change('lvcreate', '-T', lvm.full(lvm.pool_name), '-V', f'{size}b', '-n', name)

    def snapshot(self, name: str, origin: str) -> None:
        self._lvm.change('lvcreate', '-s', '-n', name, self._lvm.full(origin))

    def take_together(self, origins: Mapping[str, str], take_one: Callable[[str, str], None],
                      still: Callable[[], Any]) -> None:
        """Take snapshots one by one, and then all again at one moment.

        LVM must not take a snapshot of a volume that others hold suspended: it then tells the
        pool nothing, and pool and metadata disagree. So LVM makes the snapshots before, and at
        the moment the pool alone is told to take them anew under the ids that LVM gave them
        (Linux, admin-guide/device-mapper/thin-provisioning).

        :param take_one: (snapshot, volume); the snapshot is not active
        :param still: makes the context in which all volumes are still
        """
        lvm = self._lvm
        for name, volume in origins.items():
            take_one(name, volume)
        found = lvm.find(*origins, *origins.values())
        ids = [(found[name].thin_id, found[volume].thin_id) for name, volume in origins.items()]
        pool = f'{lvm.mapped(lvm.pool_name)}-tpool'
        with still():
            for new, old in ids:
                lvm.change('dmsetup', 'message', pool, '0', f'delete {new}')
                lvm.change('dmsetup', 'message', pool, '0', f'create_snap {new} {old}')

    def held(self, name: str) -> str:
        """What keeps the bytes of a source for the volume `name`: the volume itself."""
        return name

    def hold_as(self, held: str, source: str, active: bool = True) -> None:
        """Keep what the source has now."""
        # -kn: a thin snapshot is not activated unless one asks for it, a volume has to be.
        now = () if active else ('-an',)
        with contextlib.suppress(reports.LVExists):
            self._lvm.change('lvcreate', '-s', '-kn', *now, '-n', held, self._lvm.full(source))

    def fill(self, name: str, size: int, source_size: int) -> None:
        """Finish the volume whose bytes are kept."""
        if size > source_size:
            self._lvm.extend(name, size)

    def copy(self, name: str, source: str, size: int, source_size: int) -> None:
        """Make a volume of a snapshot."""
        self.hold_as(name, source)
        self.fill(name, size, source_size)

    def share(self, name: str, source: str) -> bool:
        """Make `name` anew as a clone; False: it is of another kind."""
        present = self._lvm.find(name).get(name)
        if present and not self.holds(present):
            return False
        self._lvm.remove(name)
        self.hold_as(name, source)
        return True

    def delete(self, name: str) -> None:
        self._lvm.remove(f'revert-{name}')
        self._lvm.remove(name)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        fresh = f'revert-{volume}'
        self.hold_as(fresh, snapshot)
        try:
            self._lvm.remove(volume)
        except reports.LVInUse:
            self._lvm.remove(fresh)
            raise
        self._lvm.rename(fresh, volume)
        self._lvm.extend(volume, size)

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Whether a logical volume is one of this kind of pool."""
        return volume.pool == self._lvm.pool_name

    def capacity(self, group: reports.Group) -> reports.Capacity:
        pool = self.pool(group)
        volumes = [lv.size for lv in group.volumes.values() if lv.pool == pool.name]
        free = int(pool.size * (100 - pool.data_percent) / 100)
        return reports.Capacity(pool.size, free, sum(volumes), len(volumes), pool.data_percent,
                                pool.metadata_percent)

    def pool(self, group: reports.Group) -> reports.LogicalVolume:
        """:raises LVNotFound: there is none"""
        full = self._lvm.full(self._lvm.pool_name)
        if self._lvm.pool_name not in group.volumes:
            raise reports.LVNotFound(data=f'thin pool {full} not found')
        return group.volumes[self._lvm.pool_name]


class ThickPool:
    """Volumes with all their blocks from the start. A snapshot keeps the blocks that its origin
    overwrites; a clone is a copy; deleted blocks are cleared before somebody else gets them."""

    def __init__(self, lvm: Any) -> None:
        self._lvm = lvm

    def create(self, name: str, size: int) -> None:
        mirrors = ('-m', str(self._lvm.mirrors)) if self._lvm.mirrors else ()
        # -y -Wy: what is left of a file system at the start is wiped without a question.
        self._lvm.change('lvcreate', '-y', '-Wy', '-Zy', *mirrors, '-L', f'{size}b', '-n', name,
                         self._lvm.vg_name)

    def take_together(self, origins: Mapping[str, str], take_one: Callable[[str, str], None],
                      still: Callable[[], Any]) -> None:
        """Take snapshots one by one while all volumes are still."""
        with still():
            for name, volume in origins.items():
                take_one(name, volume)

    def snapshot(self, name: str, origin: str) -> None:
        # Room for every block of the origin: a snapshot that runs full is lost.
        self._lvm.change('lvcreate', '-s', '-y', '-l', '100%ORIGIN', '-n', name,
                         self._lvm.full(origin))

    def held(self, name: str) -> str:
        """What keeps the bytes of a source for the volume `name`: a snapshot."""
        return f'clone-{name}'

    def hold_as(self, held: str, source: str, active: bool = True) -> None:
        """Keep what the source has now."""
        self._lvm.create_snapshot(held, source)

    def fill(self, name: str, size: int, source_size: int) -> None:
        """Finish the volume whose bytes are kept."""
        held = self.held(name)
        found = self._lvm.find(held).get(held)
        # What was split off to be cleared was copied before, and holds other bytes now.
        if found is None or found.is_thick_snapshot:
            self.copy(name, held, size, source_size)
        self._discard(held)

    def copy(self, name: str, source: str, size: int, source_size: int) -> None:
        """Make a volume of a snapshot."""
        lvm = self._lvm
        lvm.create_volume(name, size)
        # Always from the start: of a copy that was interrupted nobody knows how far it came.
        lvm.mover.copy(lvm.device(source), lvm.device(name), source_size)

    def share(self, name: str, source: str) -> bool:
        """It cannot."""
        return False

    def delete(self, name: str) -> None:
        self._discard(name, self.held(name))

    def _discard(self, *names):
        found = self._lvm.find(*names)
        for volume in found.values():
            if volume.has_thick_snapshots:
                # lvremove would take the snapshots along.
                raise reports.LVInUse(data=f'{self._lvm.full(volume.name)} has snapshots')
            if volume.is_open:
                # lvremove would refuse that too, but only after its bytes are cleared.
                raise reports.LVInUse(data=f'{self._lvm.full(volume.name)} is in use')
            self._clear(volume)
            self._lvm.remove(volume.name)

    def _clear(self, volume):
        lvm = self._lvm
        if not lvm.mover.clears:
            return
        if volume.is_thick_snapshot:
            # Split off, the store of the snapshot is a device of its own that can be overwritten
            # (lvconvert(8)); through the snapshot one would only fill the store.
            lvm.change('lvconvert', '-y', '--splitsnapshot', lvm.full(volume.name))
        elif not volume.is_active:
            lvm.activate(volume.name)
        lvm.mover.clear(lvm.device(volume.name), volume.size)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        found = self._lvm.find(volume).get(volume)
        if found and found.is_open:
            # LVM would only note down to merge when the volume is closed.
            raise reports.LVInUse(data=f'{self._lvm.full(volume)} is in use')
        # Merging uses the snapshot up, so it is taken again; when it is not there, an
        # earlier attempt was interrupted between the two.
        with contextlib.suppress(reports.LVNotFound):
            self._lvm.change('lvconvert', '-y', '--merge', self._lvm.full(snapshot), timeout=None)
        self._lvm.create_snapshot(snapshot, volume)

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Whether a logical volume is one of this kind of pool."""
        return volume.is_plain or volume.is_thick_snapshot

    def capacity(self, group: reports.Group) -> reports.Capacity:
        copies = 1 + self._lvm.mirrors
        used = group.size - group.free
        return reports.Capacity(group.size // copies, group.free // copies, used // copies,
                        len(group.volumes))
