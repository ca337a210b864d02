# SPDX-License-Identifier: Apache-2.0
"""A volume group with thin volumes, which share the blocks of one pool. It inherits single commands
from lvm.py; thick_lvm.py has the same methods for thick volumes."""
import contextlib
from collections.abc import Callable, Mapping

from cinder.brick.local_dev import group_snapshot, lvm, reports

# Share of the free space for a new thin pool; the rest is for its metadata, the spare copy of the
# metadata, and their growth.
POOL_SHARE = '95%FREE'


class ThinLVM(lvm.LVM):
    """Volumes, snapshots and clones share the blocks of one pool and need no copies; each may be
    removed at any time.

    Every operation may run again after an interruption: what exists already is a success.
    """

    # ------------------------------------------------------------------------- the pool
    def create_pool(self) -> None:
        """Create the thin pool in most of the free space; it zeroes blocks before their first
        use."""
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-T', '-Zy', '-l', POOL_SHARE, '-n', self.pool_name,
                        self.vg_name)

    def extend_pool(self, option: str, size: int) -> None:
        """Extend the thin pool by `size` bytes: '-L' for data, '--poolmetadatasize' for
        metadata."""
        self.change('lvextend', option, f'+{size}b', self.full_name(self.pool_name))

    def pool(self, group: reports.Group) -> reports.LogicalVolume:
        """Return the thin pool.

        :raises LVNotFound: it does not exist
        """
        if self.pool_name not in group.volumes:
            raise reports.LVNotFound(data=f'thin pool {self.full_name(self.pool_name)} not found')
        return group.volumes[self.pool_name]

    def holds(self, volume: reports.LogicalVolume) -> bool:
        """Return whether a logical volume is a thin volume of this pool."""
        return volume.pool == self.pool_name

    def capacity(self, group: reports.Group) -> reports.Capacity:
        """Return the capacity of the pool and the size of all its volumes.

        :raises LVNotFound: the pool does not exist
        """
        pool = self.pool(group)
        volumes = [lv.size for lv in group.volumes.values() if lv.pool == pool.name]
        free = int(pool.size * (100 - pool.data_percent) / 100)
        return reports.Capacity(pool.size, free, sum(volumes), len(volumes), pool.data_percent,
                                pool.metadata_percent)

    # ------------------------------------------------------------------------ volumes
    def create_volume(self, name: str, size: int) -> bool:
        """Create a volume of `size` bytes; return False if it exists already.

        :raises NoSpace: the pool is above its threshold
        :raises LVExists: a volume of that name has another size
        """
        return self.create(name, size, '-T', self.full_name(self.pool_name), '-V', f'{size}b', '-n',
                           name)

    def create_snapshot(self, name: str, volume: str) -> None:
        """Create a snapshot of the current data of a volume; an existing snapshot is not
        changed."""
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-n', name, self.full_name(volume))

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Create a volume with the data of another volume or of a snapshot.

        :param size: bytes of the new volume; at least `source_size`, the bytes of the source
        :param live: the source is a volume, which may be written to meanwhile; no difference here
        """
        self._share_blocks(name, source)
        if size > source_size:
            self.extend(name, size)

    def share(self, name: str, source: str) -> bool:
        """Give the volume `name`, whose own data is not needed, the blocks of `source`, which has
        the same size; return False if it is not a thin volume."""
        present = self.find(name).get(name)
        if present and not self.holds(present):
            return False
        self.remove(name)
        self._share_blocks(name, source)
        return True

    def delete(self, name: str) -> None:
        """Remove a volume or a snapshot; one that does not exist is a success.

        :raises LVInUse: it is open
        """
        self.remove(self.remains(name))
        self.remove(name)

    def remains(self, name: str) -> str:
        """Return the name under which an interrupted revert leaves the new data of a volume."""
        return f'revert-{name}'

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        """Revert a volume of `size` bytes to the data of the snapshot; the snapshot stays."""
        fresh = self.remains(volume)
        self._share_blocks(fresh, snapshot)
        try:
            self.remove(volume)
        except reports.LVInUse:
            self.remove(fresh)
            raise
        self.rename(fresh, volume)
        self.extend(volume, size)

    def _share_blocks(self, name: str, source: str, active: bool = True) -> None:
        """Create the volume `name` with the current data of the source."""
        # -kn: without it a thin snapshot is not activated by default, but a volume must be.
        now = () if active else ('-an',)
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-s', '-kn', *now, '-n', name, self.full_name(source))

    # ---------------------------------------------------------------- several at one moment
    def create_snapshots(self, origins: Mapping[str, str]) -> None:
        """Create consistent snapshots of several volumes, or none.

        :param origins: name of the snapshot -> of its volume; existing snapshots are created again
        :raises LVMError: they cannot be created, or not at the same time
        """
        self._take_together(origins, self.create_snapshot)

    def hold_sources(self, sources: Mapping[str, str]) -> None:
        """Hold the data of several volumes at the same time; fill_volume() creates new volumes from
        it.

        :param sources: name of a new volume -> of its source
        """
        self._take_together(
            sources, lambda name, source: self._share_blocks(name, source, active=False))

    def fill_volume(self, name: str, size: int, source_size: int) -> None:
        """Finish a volume whose data is held.

        :param size: bytes of the volume
        :param source_size: bytes of the source
        """
        self.activate(name)
        if size > source_size:
            self.extend(name, size)

    def _take_together(self, origins: Mapping[str, str],
                       take_one: Callable[[str, str], None]) -> None:
        """Create the snapshots one by one, and then all again at the same time.

        LVM must not create a snapshot of a volume that another process has suspended: it would send
        the pool no message, and pool and metadata would disagree. So LVM creates the snapshots
        first. Then, while the volumes are suspended, the pool is asked to delete and create
        them again under the ids that LVM assigned (Linux,
        admin-guide/device-mapper/thin-provisioning).

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
        pool = f'{self.mapped_name(self.pool_name)}-tpool'
        with self.freeze(active):
            for new, old in ids:
                self.change('dmsetup', 'message', pool, '0', f'delete {new}')
                self.change('dmsetup', 'message', pool, '0', f'create_snap {new} {old}')
