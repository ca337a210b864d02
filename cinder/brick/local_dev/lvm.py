# SPDX-License-Identifier: Apache-2.0
"""One LVM volume group: what can be done with it, as argument lists. Names and sizes are given by
the driver, commands are run in commands.py, kinds of volumes are in pools.py."""
import contextlib
import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cinder import ownership
from cinder.brick.local_dev import block_copy, commands, group_snapshot, pools, reports
from cinder.privsep import command, dm_suspend

THIN_SINCE = (2, 2, 95)
# Part of the free space that a new thin pool takes; the rest is for its metadata and their
# spare copy, and for growing them.
POOL_SHARE = '95%FREE'


class LVM(commands.Commands):
    """A volume group and, inside it, the pool that volumes of `lvm_type` come from.

    Every operation may be run again after any interruption: what is there already is success.

    :param vg_name: the volume group
    :param root_helper: handed to the executor
    :param lvm_type: 'default' (thick) or 'thin'
    :param executor: as processutils.execute; every command goes through it
    :param lvm_conf: path of an lvm.conf; LVM takes the folder (lvm(8), LVM_SYSTEM_DIR)
    :param suppress_fd_warn: keep LVM from warning about open file descriptors
    :param mirrors: further copies of each thick volume
    :param tries: attempts at a command that crashes or a report that cannot be read
    :param mover: how to clear and copy thick volumes
    :param discard: tell physical volumes, where they can, that the blocks of removed thick
        volumes are free
    :param freezer: as dm_suspend.frozen
    """

    def __init__(self, vg_name: str, root_helper: str | None = None, lvm_type: str = 'default',
                 executor: Callable | None = None, lvm_conf: str | None = None,
                 suppress_fd_warn: bool = False, mirrors: int = 0, tries: int = 3,
                 mover: block_copy.Blocks | None = None, discard: bool = False,
                 freezer: Callable[[Sequence[str]], Any] = dm_suspend.frozen) -> None:
        super().__init__(vg_name, root_helper, executor, lvm_conf, suppress_fd_warn, tries)
        self.pool_name = f'{vg_name}-pool'
        self.mirrors = mirrors
        self.mover = mover or block_copy.Blocks(executor or command.execute)
        self.pool = pools.ThinPool(self) if lvm_type == 'thin' else pools.ThickPool(self)
        self._discarding = ('--config', 'devices/issue_discards=1') if discard else ()
        self.freeze = freezer
        self._group: reports.Group | None = None

    def changed(self) -> None:
        """What is known of the group is not so any more."""
        self._group = None

    # ---------------------------------------------------------------- what is there
    def group(self, refresh: bool = False) -> reports.Group:
        """The state of the group: one command, and none until the next change.

        :raises GroupNotFound: no such group
        :raises LVMError: no readable answer, or none in time
        """
        if refresh or self._group is None:
            # Most of a command's time goes into reading the group, so each row of a volume also
            # tells of the group; only an empty one has to be asked itself.
            volumes = self.report('lv', 'lvs', reports.EVERYTHING, self.vg_name)
            rows = volumes or self.report('vg', 'vgs', reports.GROUP_FIELDS, self.vg_name)
            if not rows:
                raise reports.GroupNotFound(data=f'volume group {self.vg_name} not found')
            self._group = reports.Group.from_rows(rows[0], volumes)
        return self._group

    def find(self, *names: str, timeout: float = commands.REPORT_SECONDS,
             ) -> dict[str, reports.LogicalVolume]:
        """Those of the named logical volumes that exist, fresh, in one command."""
        try:
            rows = self.report('lv', 'lvs', reports.VOLUME_FIELDS, *map(self.full, names),
                                timeout=timeout)
        except reports.LVNotFound as exc:
            # Those that exist are reported all the same.
            rows = reports.rows('lv', exc.output)
        return {row['lv_name']: reports.LogicalVolume.from_row(row) for row in rows}

    def check_health(self, seconds: float) -> None:
        """Ask LVM a small question, unless it has answered one a moment ago.

        :raises Overdue: no answer within `seconds`
        :raises LVMError: the group is not well
        """
        if time.monotonic() - self.answered[commands.REPORTS] >= seconds / 2:
            # Of a thick group this finds nothing, and looks at the group all the same.
            self.find(self.pool_name, timeout=seconds)

    def supports_thin(self) -> bool:
        """Whether this LVM has thin volumes."""
        out = self.run(commands.REPORTS, 'lvs', '--version', timeout=commands.REPORT_SECONDS)
        found = re.search(r'LVM version:\s*(\d+)\.(\d+)\.(\d+)', out)
        return bool(found) and tuple(map(int, found.groups())) >= THIN_SINCE

    def device(self, name: str) -> str:
        """Path of the block device of a logical volume."""
        return f'/dev/{self.vg_name}/{name}'

    def full(self, name: str) -> str:
        return f'{self.vg_name}/{name}'

    def mapped(self, name: str) -> str:
        """Name of a logical volume in device mapper's table, where '-' stands between the two."""
        return '-'.join(part.replace('-', '--') for part in (self.vg_name, name))

    # ----------------------------------------------------------------------- changes
    def create_pool(self) -> None:
        """Make the thin pool over most of the free space; it zeroes blocks before their use."""
        with contextlib.suppress(reports.LVExists):
            self.change('lvcreate', '-T', '-Zy', '-l', POOL_SHARE, '-n', self.pool_name,
                        self.vg_name)

    def create_volume(self, name: str, size: int) -> bool:
        """Make a volume of `size` bytes; whether it was made now and not there already.

        :raises NoSpace: the group is full, or a thin pool over its threshold
        :raises LVExists: one of that name and another size is there
        """
        try:
            self.pool.create(name, size)
        except reports.LVExists:
            found = self.find(name).get(name)
            if found is None or not 0 <= found.size - size < self.group().extent:
                raise
            return False
        return True

    def create_snapshot(self, name: str, volume: str) -> None:
        """Take a snapshot of a volume as it is now; of one that is there, nothing changes."""
        with contextlib.suppress(reports.LVExists):
            self.pool.snapshot(name, volume)

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Make a volume with the bytes of another volume or of a snapshot.

        :param size: bytes of the new volume; not less than `source_size`, those to take over
        :param live: the source is a volume, which may be written to meanwhile
        """
        if live:
            self.pool.hold_as(self.pool.held(name), source)
            self.pool.fill(name, size, source_size)
        else:
            self.pool.copy(name, source, size, source_size)

    def share(self, name: str, source: str) -> bool:
        """Let the volume `name`, whose own bytes nobody needs, hold those of `source` of the same
        size without copying them; False: that is not possible here."""
        return self.pool.share(name, source)

    def snapshot_together(self, origins: Mapping[str, str]) -> None:
        """Take snapshots of several volumes at one moment, or none of them.

        :param origins: name of the snapshot -> of its volume; all that are there are taken anew
        :raises LVMError: they cannot be taken, or not at one moment
        """
        group_snapshot.take(self, origins, self.create_snapshot)

    def hold_together(self, sources: Mapping[str, str]) -> None:
        """Take what several volumes hold at one moment; fill_held() makes new volumes of it.

        :param sources: name of a new volume -> of its source
        """
        group_snapshot.take(self, {self.pool.held(name): source
                                   for name, source in sources.items()},
                            functools.partial(self.pool.hold_as, active=False))

    def fill_held(self, name: str, size: int, source_size: int) -> None:
        """Finish a volume whose bytes are held: its size, and those that the source has."""
        self.activate(self.pool.held(name))
        self.pool.fill(name, size, source_size)

    def extend(self, name: str, size: int) -> None:
        """Grow a volume to `size` bytes.

        :raises LVInUse: a thick volume with snapshots can only grow while it is not in use
        """
        try:
            self._extend(name, size)
        except reports.LVActive:
            self.deactivate(name)
            try:
                self._extend(name, size)
            finally:
                with ownership.regardless():
                    self.activate(name)

    def extend_pool(self, option: str, size: int) -> None:
        """Give the thin pool `size` bytes more: '-L' of data, '--poolmetadatasize' of metadata."""
        self.change('lvextend', option, f'+{size}b', self.full(self.pool_name))

    def _extend(self, name, size):
        with contextlib.suppress(reports.SizeReached):
            self.change('lvextend', '-L', f'{size}b', self.full(name))

    def delete(self, name: str) -> None:
        """Remove a volume or a snapshot, and its bytes; what is gone already is success.

        :raises LVInUse: it is open, or has snapshots that would go with it
        """
        self.pool.delete(name)

    def rename(self, name: str, new: str) -> None:
        """:raises LVNotFound: there is no `name`"""
        self.change('lvrename', self.vg_name, name, new)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        """Put a volume of `size` bytes back to what the snapshot holds; the snapshot stays."""
        self.pool.revert(volume, snapshot, size)

    def activate(self, name: str) -> None:
        """Make the block device appear, also where activation is to be skipped."""
        # -y: of a thick snapshot LVM asks whether its origin may become active too.
        self.change('lvchange', '-y', '-ay', '-K', self.full(name))

    def deactivate(self, name: str) -> None:
        """Take the block device away.

        :raises LVInUse: it is open
        """
        self.change('lvchange', '-an', self.full(name))

    def protect(self, name: str, readonly: bool = True) -> str:
        """Keep everybody from writing to the device, until it is deactivated; returns its path."""
        path = self.device(name)
        self.change('blockdev', '--setro' if readonly else '--setrw', path)
        return path

    def remove(self, name: str) -> None:
        with contextlib.suppress(reports.LVNotFound):
            self.change('lvremove', '-f', *self._discarding, self.full(name))
