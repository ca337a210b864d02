# SPDX-License-Identifier: Apache-2.0
"""One LVM volume group: what is there, and changes that are one command each, as argument lists.
Volumes of a kind are thin_lvm.py's and thick_lvm.py's; commands are run in commands.py."""
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from cinder import ownership
from cinder.brick.local_dev import commands, reports
from cinder.privsep import dm_suspend

THIN_SINCE = (2, 2, 95)


class LVM(commands.Commands):
    """A volume group; ThinLVM and ThickLVM make volumes in it.

    :param vg_name: the volume group
    :param root_helper: handed to the executor
    :param executor: as processutils.execute; every command goes through it
    :param lvm_conf: path of an lvm.conf; LVM takes the folder (lvm(8), LVM_SYSTEM_DIR)
    :param suppress_fd_warn: keep LVM from warning about open file descriptors
    :param tries: attempts at a command that crashes or a report that cannot be read
    :param discard: tell physical volumes, where they can, that the blocks of removed thick
        volumes are free
    :param freezer: as dm_suspend.frozen
    """

    def __init__(self, vg_name: str, root_helper: str | None = None,
                 executor: Callable | None = None, lvm_conf: str | None = None,
                 suppress_fd_warn: bool = False, tries: int = 3, discard: bool = False,
                 freezer: Callable[[Sequence[str]], Any] = dm_suspend.frozen) -> None:
        super().__init__(vg_name, root_helper, executor, lvm_conf, suppress_fd_warn, tries)
        self.pool_name = f'{vg_name}-pool'
        self._discarding = ('--config', 'devices/issue_discards=1') if discard else ()
        self.freeze = freezer
        # What was read last, and how many changes there had been before.
        self._read: tuple[int, reports.Group] | None = None

    # ---------------------------------------------------------------- what is there
    def group(self, refresh: bool = False) -> reports.Group:
        """The state of the group: one command, and none until the next change.

        :raises GroupNotFound: no such group
        :raises LVMError: no readable answer, or none in time
        """
        if refresh or self._read is None or self._read[0] != self.changes:
            before = self.changes
            # Most of a command's time goes into reading the group, so each row of a volume also
            # tells of the group; only an empty one has to be asked itself.
            volumes = self.report('lv', 'lvs', reports.EVERYTHING, self.vg_name)
            rows = volumes or self.report('vg', 'vgs', reports.GROUP_FIELDS, self.vg_name)
            if not rows:
                raise reports.GroupNotFound(data=f'volume group {self.vg_name} not found')
            self._read = before, reports.Group.from_rows(rows[0], volumes)
        return self._read[1]

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
        """'group/volume', as LVM's programs take it."""
        return f'{self.vg_name}/{name}'

    def mapped(self, name: str) -> str:
        """Name of a logical volume in device mapper's table, where '-' stands between the two."""
        return '-'.join(part.replace('-', '--') for part in (self.vg_name, name))

    # ----------------------------------------------------------------------- changes
    def create(self, name: str, size: int, *arguments: str) -> bool:
        """Make a logical volume of `size` bytes; whether it was made now and not there already.

        :param arguments: those of lvcreate
        :raises NoSpace: the group is full, or a thin pool over its threshold
        :raises LVExists: one of that name and another size is there
        """
        try:
            self.change('lvcreate', *arguments)
        except reports.LVExists:
            found = self.find(name).get(name)
            if found is None or not 0 <= found.size - size < self.group().extent:
                raise
            return False
        return True

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
                with ownership.ignoring_loss():
                    self.activate(name)

    def _extend(self, name: str, size: int) -> None:
        with contextlib.suppress(reports.SizeReached):
            self.change('lvextend', '-L', f'{size}b', self.full(name))

    def rename(self, name: str, new: str) -> None:
        """:raises LVNotFound: there is no `name`"""
        self.change('lvrename', self.vg_name, name, new)

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
        """Remove a logical volume; one that is gone already is success."""
        with contextlib.suppress(reports.LVNotFound):
            self.change('lvremove', '-f', *self._discarding, self.full(name))
