# SPDX-License-Identifier: Apache-2.0
"""The driver interface: what a driver must provide (VolumeDriver), and one small abstract class for
each optional capability, tested with isinstance(). The drivers and volume/data/create_sources.py do
the work."""
from __future__ import annotations

import abc
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinder.brick.local_dev.throttle import Throttle
from cinder.volume.driver_data import ClonesImages as ClonesImages
from cinder.volume.driver_data import Encrypts as Encrypts
from cinder.volume.driver_data import KeepsTrash as KeepsTrash
from cinder.volume.driver_types import (
    Connection,
    Connector,
    Executor,
    Fields,
    Finding,
    Manageable,
    Ranges,
    Reference,
    Report,
    Rows,
    Values,
)

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Group, GroupSnapshot, Snapshot, Volume, VolumeType
    from cinder.volume.configuration import Configuration


_BACKUP_SNAPSHOT = re.compile(r'backup\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.snap\..+')


class VolumeDriver(abc.ABC):
    """The storage of one back end.

    A method that takes a volume or a snapshot returns the fields of it to store, or None. Every
    method may run again after an interruption: work that is already done is a success, so a retry
    of an operation is its recovery. Sizes are in GiB.

    :param configuration: options of this back end, see configuration.py
    :param executor: runs every external command, as privsep.command.execute; for tests
    :param host: name of the service, 'host@backend'
    :param cluster_name: cluster that shares this back end
    """

    # A driver that is not maintained is refused at start unless enable_unsupported_driver is set.
    supported = True
    # Whether several hosts may use the same storage: each host finds the volumes of the others
    # there, and continues their operations. Only such a back end can be in a cluster.
    SUPPORTS_ACTIVE_ACTIVE = False
    # Whether copies to new volumes may skip blocks of zeros, because unwritten blocks read zeros.
    sparse_copy = False
    # Whether one target exports several volumes: a host that disconnects one of them must not log
    # out of the target while it uses another.
    shared_targets = False
    # Verbs of the journal that copy data on this storage and so run as bulk work; 'volume.clone'
    # stands for a volume with a source. Known when check_for_setup_error() has returned.
    bulk_verbs: frozenset[str] = frozenset()
    # Whether this storage has a trash, see KeepsTrash; known as bulk_verbs is.
    has_trash = False

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        self.configuration = configuration
        self.host = host
        self.cluster_name = cluster_name
        self.executor = executor
        # Limits all copies of the driver; the manager sets the limit at start.
        self.throttle = Throttle()

    @classmethod
    def only_one_host(cls, configuration: Configuration) -> str | None:
        """Return the reason why several hosts cannot use the storage of a back end with these
        options, or None if they can. A driver for which this depends on options overrides it."""
        if cls.SUPPORTS_ACTIVE_ACTIVE:
            return None
        return f'{cls.__name__} supports one host only (its SUPPORTS_ACTIVE_ACTIVE is False)'

    @abc.abstractmethod
    def do_setup(self, ctxt: RequestContext) -> None:
        """Set up the driver; called once, before any other method."""

    @abc.abstractmethod
    def check_for_setup_error(self) -> None:
        """Check that the storage can be used.

        :raises VolumeBackendAPIException: it cannot, with the cause
        """

    def init_capabilities(self) -> None:
        """Find out the capabilities of the storage; by default from its first report."""
        self.get_volume_stats(refresh=True)

    @abc.abstractmethod
    def get_volume_stats(self, refresh: bool = False) -> Report:
        """Return the report for the scheduler, with capacities in GiB for each pool; the last
        report unless `refresh` is set."""

    def list_allocated(self, volumes: Sequence[Volume]) -> set[str]:
        """Return the ids of those volumes, all of which are still being created, of which the
        storage has the whole size already, so that each later report contains it.

        A driver overrides it if it allocates a volume before it copies data to it, which may take
        hours: the schedulers would count the space twice for so long. It reads the storage once,
        however many volumes are asked for.
        """
        return set()

    @abc.abstractmethod
    def create_volume(self, volume: Volume) -> Fields:
        """Create an empty volume that reads zeros."""

    @abc.abstractmethod
    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        """Create a volume with the data of a snapshot; the volume may be larger."""

    @abc.abstractmethod
    def delete_volume(self, volume: Volume) -> Fields:
        """Delete a volume; one that does not exist is a success.

        :raises VolumeIsBusy: the volume is in use
        """

    @abc.abstractmethod
    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        """Extend a volume to `new_size` GiB; the new part reads zeros."""

    @abc.abstractmethod
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        """Create a snapshot of the current data of `snapshot.volume`."""

    @abc.abstractmethod
    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        """Delete a snapshot; one that does not exist is a success.

        :raises SnapshotIsBusy: the snapshot is in use
        """

    @abc.abstractmethod
    def local_path(self, volume: Volume) -> str:
        """Return the path of the device or file of the volume on this host."""

    @abc.abstractmethod
    def create_export(self, ctxt: RequestContext, volume: Volume,
                      connector: Connector | None) -> Fields:
        """Export the volume to initiators."""

    @abc.abstractmethod
    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Export the volume again in the same way, after a restart of this host or of the
        target."""

    @abc.abstractmethod
    def remove_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """End the export of the volume and the remaining sessions."""

    @abc.abstractmethod
    def initialize_connection(self, volume: Volume, connector: Connector) -> Connection:
        """Return the connection information for the connector: {'driver_volume_type': ..., 'data':
        {...}}."""

    @abc.abstractmethod
    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """End the access that initialize_connection() gave to this connector."""


class ClonesVolumes(abc.ABC):
    """Volumes can be cloned."""

    @abc.abstractmethod
    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        """Create a volume with the current data of `src_vref`; the volume may be larger."""


class RevertsToSnapshot(abc.ABC):
    """Volumes can be reverted to a snapshot."""

    @abc.abstractmethod
    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        """Revert the volume to the data of its snapshot; the snapshot stays."""


class ChecksHealth(abc.ABC):
    """The driver can check whether the storage answers."""

    @abc.abstractmethod
    def check_health(self, seconds: float) -> None:
        """Check with at most one small request whether the storage answers.

        :raises VolumeBackendAPIException: it does not answer within `seconds`, or reports an error
        """


class PurgesDeleted(abc.ABC):
    """Deleted volumes may stay on the storage: for a time in which they can be restored, or while
    other volumes depend on them."""

    @abc.abstractmethod
    def purge_deleted(self) -> None:
        """Remove those whose time is over. Called every few seconds, by each host, and while
        operations run; the driver decides when there is something to do."""


class CorrectsProviderInfo(abc.ABC):
    """Stored fields about exports and ids may be out of date when a service starts."""

    @abc.abstractmethod
    def update_provider_info(self, volumes: list[Volume], snapshots: list[Snapshot],
                             ) -> tuple[list[Values], list[Values]]:
        """Correct the rows of a back end that is set up and does not run operations yet.

        :returns: for volumes and for snapshots, {'id': ..., fields to store} of those that change
        """


class LosesExports(abc.ABC):
    """Exports are lost when the process that serves them dies, such as a target daemon."""

    @abc.abstractmethod
    def lost_exports(self, volumes: list[Volume]) -> list[Volume]:
        """Return the volumes whose export is lost; all of them are exported according to their
        rows."""


class SavesExports(abc.ABC):
    """Exports may be restored from files of the host that this service does not write."""

    @abc.abstractmethod
    def saved_exports(self, rows: Rows) -> dict[str, str]:
        """Return export -> path of its file, for this back end. :raises OSError: unreadable"""

    @abc.abstractmethod
    def forget_saved_exports(self, rows: Rows) -> dict[str, str]:
        """Remove them from the files and return them. :raises OSError: a file is unchangeable"""


class ReadsSnapshots(abc.ABC):
    """The data of a snapshot can be read in place, so a backup needs no volume created from it."""

    @abc.abstractmethod
    def open_snapshot(self, snapshot: Snapshot) -> str:
        """Return the path of a read-only device on this host with the data of the snapshot; it
        stays until close_snapshot() is called."""

    @abc.abstractmethod
    def close_snapshot(self, snapshot: Snapshot) -> None:
        """Close the device, even if the snapshot no longer exists."""


class ReportsRanges(abc.ABC):
    """The storage knows which ranges of a snapshot have data, or changed since another one.

    The methods return (offset, length) in bytes, in order and without overlaps; the last one may be
    longer than the snapshot. None: it is not known.
    """

    # Whether it finds what changed between snapshots: else it is of no use to keep one for that.
    compares_snapshots = True

    @abc.abstractmethod
    def mapped_ranges(self, snapshot: Snapshot) -> Ranges:
        """Return the ranges that may have data; all else reads zeros."""

    @abc.abstractmethod
    def changed_ranges(self, snapshot: Snapshot, base: Snapshot) -> Ranges:
        """Return the ranges that may differ between two snapshots of a volume."""


class KeepsBackupSnapshots(ReportsRanges):
    """The storage keeps snapshots for the next incremental backups under names of their own, which
    other programs know; they have no rows."""

    @abc.abstractmethod
    def keep_backup_snapshot(self, snapshot: Snapshot, name: str) -> None:
        """Give the storage of a temporary snapshot another name. Done already is a success."""

    @abc.abstractmethod
    def backup_snapshots(self, volume: Volume) -> list[str]:
        """Return the names of these snapshots of a volume, oldest first."""

    @abc.abstractmethod
    def remove_backup_snapshot(self, volume: Volume, name: str) -> None:
        """Remove one of them; one that does not exist is a success."""

    @abc.abstractmethod
    def ranges_since(self, snapshot: Snapshot, name: str) -> Ranges:
        """Return the ranges that may differ between one of them and a snapshot."""


def backup_of(name: str) -> str | None:
    """Return the id of the backup for which a snapshot of that name is kept, as the original names
    it; None: it is another snapshot."""
    found = _BACKUP_SNAPSHOT.fullmatch(name)
    return found[1] if found else None


class ExportsSnapshots(ReadsSnapshots):
    """Snapshots can be exported to other machines, which read them."""

    @abc.abstractmethod
    def export_snapshot(self, snapshot: Snapshot, connector: Connector) -> Fields:
        """Export the snapshot; it stays exported until unexport_snapshot() is called."""

    @abc.abstractmethod
    def connect_snapshot(self, snapshot: Snapshot, connector: Connector) -> Connection:
        """Return the information with which the connector reads an exported snapshot."""

    @abc.abstractmethod
    def unexport_snapshot(self, snapshot: Snapshot) -> Fields:
        """End the export and its sessions."""


class Migrates(abc.ABC):
    """The storage can move a volume to another back end without copying all data."""

    @abc.abstractmethod
    def migrate_volume(self, volume: Volume, path: str) -> bool:
        """Move the data of the volume to `path` without copying all of it; return False if that is
        not possible.

        :param path: device, file or address on this machine (brick.disks) of an empty volume of the
            same size, which another back end has created; `volume` itself stays until it is deleted
        """


class ManagesVolumes(abc.ABC):
    """Volumes that were created without this service can be managed."""

    @abc.abstractmethod
    def get_manageable_volumes(self, volumes: list[Volume],
                               snapshots: list[Snapshot]) -> list[Manageable]:
        """Return an entry for everything on the storage that is a volume or could become one, in
        any order.

        :param volumes: the volumes of this back end that are managed already
        :param snapshots: the snapshots of this back end that are managed already
        """

    @abc.abstractmethod
    def manage_existing(self, volume: Volume, reference: Reference) -> Fields:
        """Make what the reference names the storage of `volume`. Its data is kept, and it is
        extended to volume.size GiB. After a failure it is unchanged.

        :raises ManageExistingInvalidReference: the storage has nothing of that name
        """


class ManagesSnapshots(abc.ABC):
    """Snapshots that were created without this service can be managed."""

    @abc.abstractmethod
    def get_manageable_snapshots(self, volumes: list[Volume],
                                 snapshots: list[Snapshot]) -> list[Manageable]:
        """Return the entries of snapshots; see ManagesVolumes.get_manageable_volumes()."""

    @abc.abstractmethod
    def manage_existing_snapshot(self, snapshot: Snapshot, reference: Reference) -> Fields:
        """Make what the reference names the storage of `snapshot`.

        :raises ManageExistingInvalidReference: the storage has nothing of that name, or it is not a
            snapshot of `snapshot.volume`
        """


class Retypes(abc.ABC):
    """The storage applies what a volume type asks for to a volume that exists."""

    @abc.abstractmethod
    def retype(self, volume: Volume, new_type: VolumeType) -> Fields:
        """Give a volume, which may be in use, what a type asks for. `volume.volume_type` is its
        present type; the caller stores the new one."""


class Replicates(abc.ABC):
    """The storage keeps copies of volumes on other storages. Each of these has an id; that of the
    primary is 'default' in requests, and None otherwise.

    The report has replication_enabled and replication_targets.

    :ivar active_backend_id: id of the storage in use
    :ivar replicates: whether another storage is configured
    """

    active_backend_id: str | None = None
    replicates: bool = True

    @classmethod
    def replication_problems(cls, configuration: Configuration) -> list[str]:
        """Return the errors in the options replication_device, as sentences that follow the name
        of the option."""
        return []

    @abc.abstractmethod
    def use_backend(self, backend_id: str | None) -> None:
        """Use this storage from now on. Called before any other method, and again when another host
        of the cluster has failed over."""

    @abc.abstractmethod
    def failover_host(self, volumes: list[Volume], backend_id: str | None, patient: bool = True,
                      ) -> tuple[str | None, dict[str, Values]]:
        """Use the copies on another storage, and have that replicate.

        :param volumes: the replicated volumes of this back end
        :param backend_id: id of the storage; 'default' is the primary, None is any but the present
            one. The present one repeats what failed there
        :param patient: whether to wait for copies; False: do without those that are not complete
        :returns: id of the storage that is used now; id of a volume -> its fields, where
            replication_status 'failover-error' means that it cannot be used there, and
            replication_extended_status tells the tenant why
        :raises InvalidReplicationTarget: no such storage is configured
        :raises UnableToFailOver: the storage or the copies cannot be used; nothing was changed
        :raises CopiesIncomplete: to be called again later, and in the end without patience
        """


class ReplicatesGroups(Replicates):
    """Replication can be switched for the volumes of a group, and they can fail over without the
    rest of the back end."""

    @abc.abstractmethod
    def enable_replication(self, group: Group, volumes: list[Volume]) -> dict[str, Fields]:
        """Replicate these volumes, whatever their types; return id of a volume -> its fields."""

    @abc.abstractmethod
    def disable_replication(self, group: Group, volumes: list[Volume]) -> dict[str, Fields]:
        """Keep no copies of these volumes any more; return id of a volume -> its fields."""

    @abc.abstractmethod
    def failover_replication(self, group: Group, volumes: list[Volume], backend_id: str | None,
                             patient: bool = True,
                             ) -> tuple[str | None, dict[str, Values]]:
        """Use the copies of these volumes on another storage; as Replicates.failover_host()."""

    @abc.abstractmethod
    def replication_targets(self) -> list[Values]:
        """Return the storages that have copies: 'backend_id', and what an administrator may know
        of each."""


class WatchesCopies(Replicates):
    """The state of the copies is known."""

    @abc.abstractmethod
    def failing_copies(self) -> dict[str, str]:
        """Return name of a volume on the storage -> reason why its copies are not kept up to
        date, for those whose copies are not. The number of requests does not depend on that of the
        volumes."""


class Groups(abc.ABC):
    """The storage has groups, so a group snapshot is consistent."""

    @abc.abstractmethod
    def create_group(self, group: Group) -> Fields:
        """Create an empty group; the fields are those of the group."""

    @abc.abstractmethod
    def update_group(self, group: Group, added: list[Volume], removed: list[Volume]) -> Fields:
        """Add volumes to the group and remove others; their data does not change."""

    @abc.abstractmethod
    def delete_group(self, group: Group, volumes: list[Volume]) -> None:
        """Delete a group with its volumes, whose exports have been removed."""

    @abc.abstractmethod
    def copy_group(self, group: Group,
                   sources: list[tuple[Volume, Snapshot | Volume]]) -> dict[str, Fields]:
        """Create a group whose volumes have the data of others.

        :param sources: (new volume, snapshot or volume that it is created from)
        :returns: id of the new volume -> its fields
        """

    @abc.abstractmethod
    def create_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> dict[str, Fields]:
        """Create consistent snapshots of all volumes; return id of the snapshot -> its fields."""

    @abc.abstractmethod
    def delete_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> None:
        """Delete all of these snapshots."""


class Audits(abc.ABC):
    """The driver can compare its storage with the rows."""

    @abc.abstractmethod
    def audit(self, rows: Rows, heal: bool = False) -> list[Finding]:
        """Compare the storage with the rows; may be called before check_for_setup_error().

        :param heal: repair what is safe to repair; otherwise nothing is changed
        """
