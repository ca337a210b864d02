# SPDX-License-Identifier: Apache-2.0
"""One LVM volume group: builds the argument lists, reads the JSON reports, and turns exit codes and
stderr into exceptions. Names and sizes are given by the driver; processes start in privsep."""
import contextlib
import dataclasses
import functools
import json
import logging
import os
import re
from collections.abc import Callable

from cinder import exception
from cinder.brick.local_dev import blocks
from cinder.i18n import _
from cinder.privsep import command

LOG = logging.getLogger(__name__)

REPORT_SECONDS = 20.0
CHANGE_SECONDS = 60.0
# The shell's way to tell of SIGSEGV: lvs has died so now and then, and been well the next time.
CRASHED = 139
THIN_SINCE = (2, 2, 95)
# Part of the free space that a new thin pool takes; the rest is for its metadata and their
# spare copy, and for growing them.
POOL_SHARE = '95%FREE'

_REPORT = ('--reportformat', 'json', '--units', 'b', '--nosuffix', '-o')
_GROUP_FIELDS = 'vg_name,vg_size,vg_free,vg_extent_size'
_VOLUME_FIELDS = 'lv_name,lv_size,lv_attr,pool_lv,origin,data_percent,metadata_percent'


class LVMError(exception.VolumeBackendAPIException):
    """`output` is what the failing command wrote to stdout."""

    message = _('LVM: %(data)s')
    output = ''


class GroupNotFound(LVMError):
    pass


class LVNotFound(LVMError):
    pass


class LVExists(LVMError):
    pass


class LVInUse(LVMError):
    pass


class LVActive(LVMError):
    """The change needs the logical volume inactive."""


class SizeReached(LVMError):
    """The logical volume has that size already."""


class NoSpace(LVMError, exception.InsufficientFreeSpace):
    pass


class BadReport(LVMError):
    """A report that is not the JSON of LVM 2.03."""


class Overdue(LVMError):
    """LVM did not answer in time; what it was asked for may still happen."""


# Words of LVM 2.03 on stderr, all with exit code 5 (lvmcmdline: ECMD_FAILED).
_ERRORS = tuple((re.compile(pattern), error) for pattern, error in (
    (r'Volume group "\S+" not found', GroupNotFound),
    (r'(?i)logical volume "?\S+"? not found|failed to find logical volume'
     r'|origin LV \S+ not found|Pool \S+ not found', LVNotFound),
    (r'already exists in [Vv]olume group', LVExists),
    (r'(?i)insufficient (free space|suitable allocatable)|reached threshold', NoSpace),
    (r'matches existing size', SizeReached),
    (r'only while inactive', LVActive),
    (r' in use\b|contains a filesystem', LVInUse),
))


@dataclasses.dataclass(frozen=True)
class LogicalVolume:
    """A row of `lvs`; sizes in bytes, shares in percent. The letters of `attr` are explained in
    lvs(8)."""

    name: str
    size: int
    attr: str
    pool: str = ''
    origin: str = ''
    data_percent: float = 0.0
    metadata_percent: float = 0.0

    @classmethod
    def from_row(cls, row: dict[str, str]) -> 'LogicalVolume':
        return cls(row['lv_name'], int(row['lv_size']), row['lv_attr'], row['pool_lv'],
                   row['origin'], float(row['data_percent'] or 0),
                   float(row['metadata_percent'] or 0))

    @property
    def is_thick_snapshot(self) -> bool:
        return self.attr[0] in 'sS'

    @property
    def has_thick_snapshots(self) -> bool:
        return self.attr[0] in 'oO'

    @property
    def is_plain(self) -> bool:
        """A thick volume: linear, mirrored or RAID, with or without snapshots."""
        return self.attr[0] in '-oOmMrR'

    @property
    def is_active(self) -> bool:
        return self.attr[4] != '-'

    @property
    def is_open(self) -> bool:
        return self.attr[5] == 'o'


@dataclasses.dataclass(frozen=True)
class Group:
    """A volume group at one moment; sizes in bytes."""

    size: int
    free: int
    extent: int
    volumes: dict[str, LogicalVolume]


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Bytes; `metadata_percent` is the fill of a thin pool's metadata."""

    total: int
    free: int
    provisioned: int
    volumes: int
    metadata_percent: float = 0.0


class LVM:
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
    """

    def __init__(self, vg_name: str, root_helper: str | None = None, lvm_type: str = 'default',
                 executor: Callable | None = None, lvm_conf: str | None = None,
                 suppress_fd_warn: bool = False, mirrors: int = 0, tries: int = 3,
                 mover: blocks.Blocks | None = None) -> None:
        self.vg_name = vg_name
        self.pool_name = f'{vg_name}-pool'
        self.mirrors = mirrors
        self.mover = mover or blocks.Blocks(executor or command.execute)
        self.pool = ThinPool(self) if lvm_type == 'thin' else ThickPool(self)
        self._execute = functools.partial(
            executor or functools.partial(command.execute, lane=f'lvm {vg_name}'),
            run_as_root=True, root_helper=root_helper,
            env_variables=self._environment(lvm_conf, suppress_fd_warn))
        self._tries = tries
        self._group: Group | None = None

    @staticmethod
    def _environment(lvm_conf, suppress_fd_warn):
        env = {'LVM_SYSTEM_DIR': os.path.dirname(lvm_conf)} if lvm_conf else {}
        return {**env, 'LVM_SUPPRESS_FD_WARNINGS': '1'} if suppress_fd_warn else env

    # ---------------------------------------------------------------- what is there
    def group(self, refresh: bool = False) -> Group:
        """The state of the group: two commands, and none until the next change.

        :raises GroupNotFound: no such group
        :raises LVMError: no readable answer, or none in time
        """
        if refresh or self._group is None:
            rows = self._report('vg', 'vgs', *_REPORT, _GROUP_FIELDS, self.vg_name)
            if not rows:
                raise GroupNotFound(data=f'volume group {self.vg_name} not found')
            volumes = self._report('lv', 'lvs', *_REPORT, _VOLUME_FIELDS, self.vg_name)
            self._group = Group(
                int(rows[0]['vg_size']), int(rows[0]['vg_free']), int(rows[0]['vg_extent_size']),
                {row['lv_name']: LogicalVolume.from_row(row) for row in volumes})
        return self._group

    def find(self, *names: str) -> dict[str, LogicalVolume]:
        """Those of the named logical volumes that exist, fresh, in one command."""
        try:
            rows = self._report('lv', 'lvs', *_REPORT, _VOLUME_FIELDS, *map(self.full, names))
        except LVNotFound as exc:
            # Those that exist are reported all the same.
            rows = _rows('lv', exc.output)
        return {row['lv_name']: LogicalVolume.from_row(row) for row in rows}

    def supports_thin(self) -> bool:
        """Whether this LVM has thin volumes."""
        out = self._run('lvs', '--version', timeout=REPORT_SECONDS)
        found = re.search(r'LVM version:\s*(\d+)\.(\d+)\.(\d+)', out)
        return bool(found) and tuple(map(int, found.groups())) >= THIN_SINCE

    def device(self, name: str) -> str:
        """Path of the block device of a logical volume."""
        return f'/dev/{self.vg_name}/{name}'

    def full(self, name: str) -> str:
        return f'{self.vg_name}/{name}'

    # ----------------------------------------------------------------------- changes
    def create_pool(self) -> None:
        """Make the thin pool over most of the free space; it zeroes blocks before their use."""
        with contextlib.suppress(LVExists):
            self.change('lvcreate', '-T', '-Zy', '-l', POOL_SHARE, '-n', self.pool_name,
                        self.vg_name)

    def create_volume(self, name: str, size: int) -> None:
        """Make a volume of `size` bytes.

        :raises NoSpace: the group is full, or a thin pool over its threshold
        :raises LVExists: one of that name and another size is there
        """
        try:
            self.pool.create(name, size)
        except LVExists:
            found = self.find(name).get(name)
            if found is None or not 0 <= found.size - size < self.group().extent:
                raise

    def create_snapshot(self, name: str, volume: str) -> None:
        """Take a snapshot of a volume as it is now; of one that is there, nothing changes."""
        with contextlib.suppress(LVExists):
            self.pool.snapshot(name, volume)

    def clone(self, name: str, source: str, size: int, source_size: int,
              live: bool = False) -> None:
        """Make a volume with the bytes of another volume or of a snapshot.

        :param size: bytes of the new volume; not less than `source_size`, those to take over
        :param live: the source is a volume, which may be written to meanwhile
        """
        self.pool.clone(name, source, size, source_size, live)

    def extend(self, name: str, size: int) -> None:
        """Grow a volume to `size` bytes.

        :raises LVInUse: a thick volume with snapshots can only grow while it is not in use
        """
        try:
            self._extend(name, size)
        except LVActive:
            self.change('lvchange', '-an', self.full(name))
            try:
                self._extend(name, size)
            finally:
                self.activate(name)

    def _extend(self, name, size):
        with contextlib.suppress(SizeReached):
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
        self.change('lvchange', '-ay', '-K', self.full(name))

    def remove(self, name: str) -> None:
        with contextlib.suppress(LVNotFound):
            self.change('lvremove', '-f', self.full(name))

    # ---------------------------------------------------------------------- commands
    def change(self, *argv: str, timeout: float | None = CHANGE_SECONDS) -> None:
        """Run a command that changes the group; what is known of the group is forgotten."""
        try:
            self._run(*argv, timeout=timeout)
        finally:
            self._group = None

    def _report(self, section: str, *argv: str) -> list[dict[str, str]]:
        for left in reversed(range(self._tries)):
            out = self._run(*argv, timeout=REPORT_SECONDS)
            try:
                return _rows(section, out)
            except BadReport:
                LOG.warning('%s gave a report that cannot be read: %.200r', argv[0], out)
                if not left:
                    raise

    def _run(self, *argv: str, timeout: float | None) -> str:
        for left in reversed(range(self._tries)):
            try:
                out, err = self._execute(*argv, timeout=timeout)
            except command.CommandOverdue as exc:
                raise Overdue(data=f'{argv[0]}: {exc.stderr}') from exc
            except exception.ProcessExecutionError as exc:
                if exc.exit_code != CRASHED or not left:
                    raise _typed(argv[0], exc) from exc
                LOG.warning('%s crashed, trying again', argv[0])
            else:
                if err:
                    LOG.debug('%s: %s', argv[0], err.strip())
                return out


def _rows(section: str, out: str) -> list[dict[str, str]]:
    try:
        # Warnings that LVM or a library prints to stdout come before the report.
        return json.loads(out[out.index('{'):])['report'][0][section]
    except (ValueError, LookupError, TypeError) as exc:
        raise BadReport(data=f'no report of LVM 2.03 in {out[:80]!r}') from exc


def _typed(program: str, exc: exception.ProcessExecutionError) -> LVMError:
    text = exc.stderr or ''
    error = next((error for pattern, error in _ERRORS if pattern.search(text)), LVMError)
    lines = [line.strip() for line in text.splitlines() if line and 'WARNING:' not in line]
    typed = error(data=f'{program}: exit code {exc.exit_code}: {"; ".join(lines)}')
    typed.output = exc.stdout or ''
    return typed


class ThinPool:
    """Volumes, snapshots and clones that share the blocks of one pool and need no copying; each
    may go at any time."""

    def __init__(self, lvm: LVM) -> None:
        self._lvm = lvm

    def create(self, name: str, size: int) -> None:
        lvm = self._lvm
        lvm.change('lvcreate', '-T', lvm.full(lvm.pool_name), '-V', f'{size}b', '-n', name)

    def snapshot(self, name: str, origin: str) -> None:
        self._lvm.change('lvcreate', '-s', '-n', name, self._lvm.full(origin))

    def clone(self, name: str, source: str, size: int, source_size: int, live: bool) -> None:
        self._copy(name, source)
        if size > source_size:
            self._lvm.extend(name, size)

    def _copy(self, name, source):
        # -kn: a thin snapshot is not activated unless one asks for it, a volume has to be.
        with contextlib.suppress(LVExists):
            self._lvm.change('lvcreate', '-s', '-kn', '-n', name, self._lvm.full(source))

    def delete(self, name: str) -> None:
        self._lvm.remove(f'revert-{name}')
        self._lvm.remove(name)

    def revert(self, volume: str, snapshot: str, size: int) -> None:
        fresh = f'revert-{volume}'
        self._copy(fresh, snapshot)
        try:
            self._lvm.remove(volume)
        except LVInUse:
            self._lvm.remove(fresh)
            raise
        self._lvm.rename(fresh, volume)
        self._lvm.extend(volume, size)

    def holds(self, volume: LogicalVolume) -> bool:
        """Whether a logical volume is one of this kind of pool."""
        return volume.pool == self._lvm.pool_name

    def capacity(self, group: Group) -> Capacity:
        pool = group.volumes.get(self._lvm.pool_name)
        if pool is None:
            raise LVNotFound(data=f'thin pool {self._lvm.full(self._lvm.pool_name)} not found')
        volumes = [lv.size for lv in group.volumes.values() if lv.pool == pool.name]
        free = int(pool.size * (100 - pool.data_percent) / 100)
        return Capacity(pool.size, free, sum(volumes), len(volumes), pool.metadata_percent)


class ThickPool:
    """Volumes with all their blocks from the start. A snapshot keeps the blocks that its origin
    overwrites; a clone is a copy; deleted blocks are cleared before somebody else gets them."""

    def __init__(self, lvm: LVM) -> None:
        self._lvm = lvm

    def create(self, name: str, size: int) -> None:
        mirrors = ('-m', str(self._lvm.mirrors)) if self._lvm.mirrors else ()
        # -y -Wy: what is left of a file system at the start is wiped without a question.
        self._lvm.change('lvcreate', '-y', '-Wy', '-Zy', *mirrors, '-L', f'{size}b', '-n', name,
                         self._lvm.vg_name)

    def snapshot(self, name: str, origin: str) -> None:
        # Room for every block of the origin: a snapshot that runs full is lost.
        self._lvm.change('lvcreate', '-s', '-y', '-l', '100%ORIGIN', '-n', name,
                         self._lvm.full(origin))

    def clone(self, name: str, source: str, size: int, source_size: int, live: bool) -> None:
        lvm = self._lvm
        lvm.create_volume(name, size)
        frozen = f'clone-{name}' if live else source
        if live:
            lvm.create_snapshot(frozen, source)
        # Always from the start: of a copy that was interrupted nobody knows how far it came.
        lvm.mover.copy(lvm.device(frozen), lvm.device(name), source_size)
        if live:
            self._discard(frozen)

    def delete(self, name: str) -> None:
        self._discard(name, f'clone-{name}')

    def _discard(self, *names):
        found = self._lvm.find(*names)
        for volume in found.values():
            if volume.has_thick_snapshots:
                # lvremove would take the snapshots along.
                raise LVInUse(data=f'{self._lvm.full(volume.name)} has snapshots')
            if volume.is_open:
                # lvremove would refuse that too, but only after its bytes are cleared.
                raise LVInUse(data=f'{self._lvm.full(volume.name)} is in use')
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
            raise LVInUse(data=f'{self._lvm.full(volume)} is in use')
        # Merging uses the snapshot up, so it is taken again; when it is not there, an
        # earlier attempt was interrupted between the two.
        with contextlib.suppress(LVNotFound):
            self._lvm.change('lvconvert', '-y', '--merge', self._lvm.full(snapshot), timeout=None)
        self._lvm.create_snapshot(snapshot, volume)

    def holds(self, volume: LogicalVolume) -> bool:
        """Whether a logical volume is one of this kind of pool."""
        return volume.is_plain or volume.is_thick_snapshot

    def capacity(self, group: Group) -> Capacity:
        copies = 1 + self._lvm.mirrors
        used = group.size - group.free
        return Capacity(group.size // copies, group.free // copies, used // copies,
                        len(group.volumes))
