# SPDX-License-Identifier: Apache-2.0
"""One LVM volume group: its state, and changes that are one command each, as argument lists.
thin_lvm.py and thick_lvm.py handle volumes of their kind; commands.py runs the commands."""
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from cinder import ownership
from cinder.brick.local_dev import commands, reports
from cinder.privsep import dm_suspend

# Suspends devices, by their names in the table of device mapper, while its context lasts.
Freezer = Callable[[Sequence[str]], AbstractContextManager[None]]
THIN_SINCE = (2, 2, 95)


class LVM(commands.Commands):
    """A volume group; ThinLVM and ThickLVM create volumes in it.

    :param vg_name: name of the volume group
    :param root_helper: passed to the executor
    :param executor: as processutils.execute; runs every command
    :param lvm_conf: path of an lvm.conf; LVM uses its directory (lvm(8), LVM_SYSTEM_DIR)
    :param suppress_fd_warn: keep LVM from warning about open file descriptors
    :param tries: attempts to run a command that crashes or whose report cannot be read
    :param discard: discard the blocks of removed thick volumes on physical volumes that support it
    :param freezer: as dm_suspend.frozen
    """

    def __init__(self, vg_name: str, root_helper: str | None = None,
                 executor: Callable | None = None, lvm_conf: str | None = None,
                 suppress_fd_warn: bool = False, tries: int = 3, discard: bool = False,
                 freezer: Freezer = dm_suspend.frozen) -> None:
        super().__init__(vg_name, root_helper, executor, lvm_conf, suppress_fd_warn, tries)
        self.pool_name = f'{vg_name}-pool'
        self._discarding = ('--config', 'devices/issue_discards=1') if discard else ()
        self.freeze = freezer
        # The last report, and the number of changes before it.
        self._read: tuple[int, reports.Group] | None = None

    # ---------------------------------------------------------------- what is there
    def group(self, refresh: bool = False) -> reports.Group:
        """Return the state of the group; it is cached until the next change.

        :raises GroupNotFound: the group does not exist
        :raises LVMError: LVM does not answer in time, or its report cannot be read
        """
        if refresh or self._read is None or self._read[0] != self.changes:
            before = self.changes
            # A command takes most of its time to read the group, so each row of a volume also
            # contains the fields of the group; only an empty group needs a second command.
            volumes = self.report('lv', 'lvs', reports.EVERYTHING, self.vg_name)
            rows = volumes or self.report('vg', 'vgs', reports.GROUP_FIELDS, self.vg_name)
            if not rows:
                raise reports.GroupNotFound(data=f'volume group {self.vg_name} not found')
            self._read = before, reports.Group.from_rows(rows[0], volumes)
        return self._read[1]

    def find(self, *names: str, timeout: float = commands.REPORT_SECONDS,
             ) -> dict[str, reports.LogicalVolume]:
        """Return the named logical volumes that exist, from a new report."""
        try:
            rows = self.report('lv', 'lvs', reports.VOLUME_FIELDS, *map(self.full_name, names),
                               timeout=timeout)
        except reports.LVNotFound as exc:
            # The report contains those that exist.
            rows = reports.rows('lv', exc.output)
        return {row['lv_name']: reports.LogicalVolume.from_row(row) for row in rows}

    def check_health(self, seconds: float) -> None:
        """Run a short report, unless LVM has answered one a moment ago.

        :raises Overdue: no answer within `seconds`
        :raises LVMError: LVM reports an error
        """
        if time.monotonic() - self.answered[commands.REPORTS] >= seconds / 2:
            # A thick group has no pool; the command reads the group all the same.
            self.find(self.pool_name, timeout=seconds)

    def supports_thin(self) -> bool:
        """Return whether this version of LVM supports thin volumes."""
        out = self.run(commands.REPORTS, 'lvs', '--version', timeout=commands.REPORT_SECONDS)
        found = re.search(r'LVM version:\s*(\d+)\.(\d+)\.(\d+)', out)
        return bool(found) and tuple(map(int, found.groups())) >= THIN_SINCE

    def device(self, name: str) -> str:
        """Return the path of the block device of a logical volume."""
        return f'/dev/{self.vg_name}/{name}'

    def full_name(self, name: str) -> str:
        """Return 'group/volume', as commands of LVM expect it."""
        return f'{self.vg_name}/{name}'

    def mapped_name(self, name: str) -> str:
        """Return the name of a logical volume in device mapper, which joins the two parts with
        '-'."""
        return '-'.join(part.replace('-', '--') for part in (self.vg_name, name))

    # ----------------------------------------------------------------------- changes
    def create(self, name: str, size: int, *arguments: str) -> bool:
        """Create a logical volume of `size` bytes; return False if it exists already.

        :param arguments: arguments of lvcreate
        :raises NoSpace: the group is full, or a thin pool is above its threshold
        :raises LVExists: a volume of that name has another size
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
        """Extend a volume to `size` bytes.

        :raises LVInUse: a thick volume with snapshots can be extended only while it is not in use
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
            self.change('lvextend', '-L', f'{size}b', self.full_name(name))

    def rename(self, name: str, new: str) -> None:
        """:raises LVNotFound: there is no `name`"""
        self.change('lvrename', self.vg_name, name, new)

    def activate(self, name: str) -> None:
        """Activate a volume so that its block device appears, even if it has the skip flag."""
        # -y: for a thick snapshot LVM asks whether its origin may be activated too.
        self.change('lvchange', '-y', '-ay', '-K', self.full_name(name))

    def deactivate(self, name: str) -> None:
        """Deactivate a volume so that its block device disappears.

        :raises LVInUse: the device is open
        """
        self.change('lvchange', '-an', self.full_name(name))

    def skip_at_boot(self, name: str, skip: bool = True) -> None:
        """Have activations skip a volume or not, unless they name it with -K."""
        self.change('lvchange', '-ky' if skip else '-kn', self.full_name(name))

    def protect(self, name: str, readonly: bool = True) -> str:
        """Make the device read-only until it is deactivated; return its path."""
        path = self.device(name)
        self.change('blockdev', '--setro' if readonly else '--setrw', path)
        return path

    def remove(self, name: str) -> None:
        """Remove a logical volume; one that does not exist is a success."""
        with contextlib.suppress(reports.LVNotFound):
            self.change('lvremove', '-f', *self._discarding, self.full_name(name))
