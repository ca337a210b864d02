# SPDX-License-Identifier: Apache-2.0
"""A volume group whose volumes are thin: they share the blocks of one pool. Single commands are
inherited from lvm.py; thick_lvm.py has the same methods for thick volumes."""
import contextlib
from collections.abc import Callable, Mapping

from cinder.brick.local_dev import group_snapshot, lvm, reports

# Part of the free space that a new thin pool takes; the rest is for its metadata and their
# spare copy, and for growing them.
POOL_SHARE = '95%FREE'


class ThinLVM(lvm.LVM):
    """Volumes, snapshots and clones that share the blocks of one pool and need no copying; each
    may be removed at any time.

    Every operation may be run again after any interruption: what is there already is success.
    """

    # ------------------------------------------------------------------------- the pool
    def create_pool(self) -> None:
        """Make the thin pool over most of the free space; it zeroes blocks before their use."""
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-T', '-Zy', '-l', POOL_SHARE, '-n', self.pool_name,
                        self.vg_name)

    def extend_pool(self, option: str, size: int) -> None:
        """Give the thin pool `size` bytes more: '-L' of data, '--poolmetadatasize' of metadata."""
        self.change('lvextend', option, f'+{size}b', self.full(self.pool_name))

    def pool(self, group: reports.Group) -> reports.LogicalVolume:
        """:raises LVNotFound: there is none"""
        if self.pool_name not in group.volumes:
            raise reports.LVNotFound(data=f'thin pool {self.full(self.pool_name)} not found')
        return group.volumes[self.pool_name]

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Whether a logical volume is a thin one of this pool."""
        return volume.pool == self.pool_name

    def capacity(self, group: reports.Group) -> reports.Capacity:
        """What the pool has and has promised.

        :raises LVNotFound: there is no pool
        """
        pool = self.pool(group)
        volumes = [lv.size for lv in group.volumes.values() if lv.pool == pool.name]
        free = int(pool.size * (100 - pool.data_percent) / 100)
        return reports.Capacity(pool.size, free, sum(volumes), len(volumes), pool.data_percent,
                                pool.metadata_percent)

    # ------------------------------------------------------------------------ volumes
    def create_volume(self, name: str, size: int) -> bool:
        """Make a volume of `size` bytes; whether it was made now and not there already.

        :raises NoSpace: the pool is over its threshold
        :raises LVExists: one of that name and another size is there
        """
        return self.create(name, size, '-T', self.full(self.pool_name), '-V', f'{size}b', '-n',
                           name)

    def create_snapshot(self, name: str, volume: str) -> None:
        """Take a snapshot of a volume as it is now; of one that is there, nothing changes."""
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-n', name, self.full(volume))

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Make a volume with the bytes of another volume or of a snapshot.

        :param size: bytes of the new volume; not less than `source_size`, those to take over
        :param live: the source is a volume, which may be written to meanwhile: all the same here
        """
        self._share_blocks(name, source)
        if size > source_size:
            self.extend(name, size)

    def share(self, name: str, source: str) -> bool:
        """Let the volume `name`, whose own bytes nobody needs, hold those of `source` of the same
        size without copying them; False: it is of another kind."""
        present = self.find(name).get(name)
        if present and not self.holds(present):
            return False
        self.remove(name)
        self._share_blocks(name, source)
        return True

    def delete(self, name: str) -> None:
        """Remove a volume or a snapshot; what is gone already is success.

        :raises LVInUse: it is open
        """
        self.remove(f'revert-{name}')
        self.remove(name)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        """Put a volume of `size` bytes back to what the snapshot holds; the snapshot stays."""
        fresh = f'revert-{volume}'
        self._share_blocks(fresh, snapshot)
        try:
            self.remove(volume)
        except reports.LVInUse:
            self.remove(fresh)
            raise
        self.rename(fresh, volume)
        self.extend(volume, size)

    def _share_blocks(self, name: str, source: str, active: bool = True) -> None:
        """Make the volume `name` of what the source has now."""
        # -kn: a thin snapshot is not activated unless one asks for it, a volume has to be.
        now = () if active else ('-an',)
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-kn', *now, '-n', name, self.full(source))

    # ---------------------------------------------------------------- several at one moment
    def snapshot_together(self, origins: Mapping[str, str]) -> None:
        """Take snapshots of several volumes at one moment, or none of them.

        :param origins: name of the snapshot -> of its volume; all that are there are taken anew
        :raises LVMError: they cannot be taken, or not at one moment
        """
        self._take_together(origins, self.create_snapshot)

    def hold_together(self, sources: Mapping[str, str]) -> None:
        """Take what several volumes hold at one moment; fill_held() makes new volumes of it.

        :param sources: name of a new volume -> of its source
        """
        self._take_together(
            sources, lambda name, source: self._share_blocks(name, source, active=False))

    def fill_held(self, name: str, size: int, source_size: int) -> None:
        """Finish a volume whose bytes are held: its size, and those that the source has."""
        self.activate(name)
        if size > source_size:
            self.extend(name, size)

    def _take_together(self, origins: Mapping[str, str],
                       take_one: Callable[[str, str], None]) -> None:
        """Take snapshots one by one, and then all again at one moment.

        LVM must not take a snapshot of a volume that others hold suspended: it then tells the
        pool nothing, and pool and metadata disagree. So LVM makes the snapshots before, and at
        the moment the pool alone is told to take them anew under the ids that LVM gave them
        (Linux, admin-guide/device-mapper/thin-provisioning).

        :param take_one: (snapshot, volume); the snapshot is not active
        """
        with group_snapshot.all_or_none(self, origins, self.delete) as active:
            for name, volume in origins.items():
                take_one(name, volume)
            if active:
                self._take_anew(origins, active)

    def _take_anew(self, origins: Mapping[str, str], active: list[str]) -> None:
        found = self.find(*origins, *origins.values())
        ids = [(found[name].thin_id, found[volume].thin_id) for name, volume in origins.items()]
        pool = f'{self.mapped(self.pool_name)}-tpool'
        with self.freeze(active):
            for new, old in ids:
                self.change('dmsetup', 'message', pool, '0', f'delete {new}')
                self.change('dmsetup', 'message', pool, '0', f'create_snap {new} {old}')
