# SPDX-License-Identifier: Apache-2.0
"""Volumes as sparse raw files in one directory. A snapshot or clone is a file of its own, which
shares blocks with its source if the file system supports that. brick.local_dev.sparse_files handles
the data."""
from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from cinder import exception
from cinder.brick import blocking, disks
from cinder.brick.local_dev import extents, sparse_files
from cinder.i18n import _
from cinder.volume import driver
from cinder.volume.driver_types import (
    Fields,
    Finding,
    Manageable,
    PoolReport,
    Ranges,
    Reference,
    Rows,
)
from cinder.volume.drivers import exported, file_audit, lvm_audit, manageable, trash_names
from cinder.volume.drivers.exported import GIB
from cinder.volume.drivers.trash_names import kept

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Snapshot, Volume
    from cinder.volume.configuration import Configuration

P = ParamSpec('P')
R = TypeVar('R')

# Verbs that copy data when the file system cannot share blocks.
COPIES = frozenset(('volume.clone', 'volume.revert', 'snapshot.create', 'group_snapshot.create'))


def _typed(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method to raise errors of the file system as errors of the back end."""
    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except OSError as exc:
            raise exception.VolumeBackendAPIException(data=f'{method.__name__}: {exc}') from exc
    return wrapper


class FileVolumeDriver(exported.ExportedDriver, driver.ClonesVolumes, driver.RevertsToSnapshot,
                       driver.ManagesVolumes, driver.ManagesSnapshots, driver.Migrates,
                       driver.Audits, driver.ReportsRanges, driver.KeepsTrash):
    """Storage for one machine that needs no setup."""

    sparse_copy = True
    SUPPORTS_ACTIVE_ACTIVE = True
    has_trash = True

    @classmethod
    def only_one_host(cls, configuration: Configuration) -> str | None:
        if not configuration.file_shared_storage:
            return (f'file_volume_dir = {configuration.file_volume_dir} is a directory of one '
                    f'host; '
                    'if it is the same directory on all hosts, such as an NFS share, set '
                    'file_shared_storage = true')
        if exported.TARGETS[configuration.target_helper].OF_ONE_HOST:
            # Another host could neither remove the export nor create it again.
            return (f'target_helper = {configuration.target_helper} exports volumes from one host; '
                    'set target_helper = local')
        return None

    @_typed
    def do_setup(self, ctxt: RequestContext) -> None:
        self.folder = os.path.abspath(self.configuration.file_volume_dir)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    @_typed
    def check_for_setup_error(self) -> None:
        self.reflink = self.configuration.file_reflink
        if self.reflink != 'never' and not blocking.call(sparse_files.can_reflink, self.folder):
            if self.reflink == 'always':
                raise exception.VolumeBackendAPIException(
                    data=f'file_reflink is "always", and the file system of {self.folder} '
                         'cannot share blocks between files')
            self.reflink = 'never'
        # Copies share no places with what they were copied from.
        self.compares_snapshots = self.reflink != 'never'
        if self.reflink == 'never':
            self.bulk_verbs = COPIES

    @_typed
    def _pool_stats(self) -> PoolReport:
        total, free, provisioned, count = blocking.call(sparse_files.usage, self.folder)
        return self._pool(total=total, free=free, provisioned=provisioned, volumes=count,
                          thin=True)

    @_typed
    def create_volume(self, volume: Volume) -> Fields:
        blocking.call(sparse_files.create, self._path(volume.name), volume.size * GIB)

    @_typed
    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self._copy(snapshot.name, volume.name, volume.size)

    @_typed
    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        self._copy(src_vref.name, volume.name, volume.size)

    @_typed
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        self._copy(snapshot.volume.name, snapshot.name, snapshot.volume_size)

    def _copy(self, source: str, name: str, size: int) -> None:
        blocking.copy(sparse_files.copy, self._path(source), self._path(name), size * GIB,
                      self.reflink, self.throttle)

    @_typed
    def open_snapshot(self, snapshot: Snapshot) -> str:
        path = self._path(snapshot.name)
        os.chmod(path, stat.S_IRUSR)
        return path

    @_typed
    def close_snapshot(self, snapshot: Snapshot) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(self._path(snapshot.name), stat.S_IRUSR | stat.S_IWUSR)

    @_typed
    def mapped_ranges(self, snapshot: Snapshot) -> Ranges:
        return blocking.call(extents.data_ranges, self._path(snapshot.name))

    @_typed
    def changed_ranges(self, snapshot: Snapshot, base: Snapshot) -> Ranges:
        return blocking.call(
            extents.changed_ranges, self._path(snapshot.name), self._path(base.name),
        ) if self.compares_snapshots else None

    @_typed
    def _exportable(self, snapshot: Snapshot) -> str:
        self.close_snapshot(snapshot)
        return self._path(snapshot.name)

    @_typed
    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        blocking.copy(sparse_files.replace, self._path(snapshot.name), self._path(volume.name),
                      volume.size * GIB, self.reflink, self.throttle)

    @_typed
    def delete_volume(self, volume: Volume) -> Fields:
        blocking.call(sparse_files.remove, self._path(volume.name))

    @_typed
    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        blocking.call(sparse_files.remove, self._path(snapshot.name))

    # ---------------------------------------------------------------------------- the trash
    @_typed
    def trash_volume(self, volume: Volume) -> bool:
        return self._trash(volume.name)

    @_typed
    def restore_trashed_volume(self, volume: Volume) -> Fields:
        self._restore(volume.name)

    @_typed
    def purge_trashed_volume(self, volume: Volume) -> None:
        blocking.call(sparse_files.remove, self._path(kept(volume.name)))

    @_typed
    def trash_snapshot(self, snapshot: Snapshot) -> bool:
        return self._trash(snapshot.name)

    @_typed
    def restore_trashed_snapshot(self, snapshot: Snapshot) -> None:
        self._restore(snapshot.name)

    @_typed
    def purge_trashed_snapshot(self, snapshot: Snapshot) -> None:
        blocking.call(sparse_files.remove, self._path(kept(snapshot.name)))

    def _trash(self, name: str) -> bool:
        return blocking.call(sparse_files.rename, self._path(name), self._path(kept(name)), True)

    def _restore(self, name: str) -> None:
        blocking.call(sparse_files.rename, self._path(kept(name)), self._path(name))

    @_typed
    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        path = self._path(volume.name)
        blocking.call(sparse_files.extend, path, new_size * GIB)
        self.target.extend(volume, path)

    @_typed
    def migrate_volume(self, volume: Volume, path: str) -> bool:
        """Give the file a second name, if both are in the same file system."""
        return disks.is_file(path) and blocking.call(sparse_files.share, self._path(volume.name),
                                                     path)

    @_typed
    def audit(self, rows: Rows, heal: bool = False) -> list[Finding]:
        found = blocking.call(sparse_files.listing, self.folder)
        return [*file_audit.findings(self.folder, found, rows),
                *lvm_audit.exports(self.target, rows, heal)]

    # ------------------------------------------------------------------ what others made
    @_typed
    def get_manageable_volumes(self, volumes: list[Volume],
                               snapshots: list[Snapshot]) -> list[Manageable]:
        """Return every file that is not a managed snapshot."""
        owners, taken = manageable.by_name(volumes), manageable.by_name(snapshots)
        return [manageable.entry(name, size, owners.get(name))
                for name, size in self._listing().items() if name not in taken]

    @_typed
    def get_manageable_snapshots(self, volumes: list[Volume],
                                 snapshots: list[Snapshot]) -> list[Manageable]:
        """Return every file that is not a managed volume: a file does not tell what it is a copy
        of."""
        taken, owners = manageable.by_name(volumes), manageable.by_name(snapshots)
        names = {volume.id: volume.name for volume in volumes}

        def source(owner: Snapshot | None) -> str | None:
            return None if owner is None else names.get(owner.volume_id)

        return [manageable.snapshot_entry(name, size, source(owners.get(name)), owners.get(name))
                for name, size in self._listing().items() if name not in taken]

    @_typed
    def manage_existing(self, volume: Volume, reference: Reference) -> Fields:
        self._adopt(reference, volume.name, volume.size)

    @_typed
    def manage_existing_snapshot(self, snapshot: Snapshot,
                                 reference: Reference) -> Fields:
        self._adopt(reference, snapshot.name, snapshot.volume_size)

    def _adopt(self, reference: Reference, name: str, size: int) -> None:
        found = manageable.name_in(reference)
        if os.path.basename(found) != found:
            raise manageable.refused(reference,
                                     _('it is not the name of a file in file_volume_dir'))
        try:
            blocking.call(sparse_files.adopt, self._path(found), name, size * GIB)
        except FileNotFoundError:
            raise manageable.refused(reference, _('there is no such file')) from None

    def _listing(self) -> dict[str, int]:
        """Return name -> bytes of the files that are not in the trash."""
        found = blocking.call(sparse_files.listing, self.folder)
        return {name: size for name, size in found.items() if not trash_names.is_kept(name)}

    def local_path(self, volume: Volume) -> str:
        return self._path(volume.name)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)
