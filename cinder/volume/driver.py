# SPDX-License-Identifier: Apache-2.0
"""What a driver must offer (VolumeDriver) and what it may: one small abstract class per capability,
asked for with isinstance(). The drivers do the work, and volume/data/create_sources.py."""
from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from cinder.brick.local_dev.throttle import Throttle
from cinder.volume.driver_types import (
    Connection,
    Connector,
    Executor,
    Fields,
    Finding,
    Manageable,
    Reference,
    Report,
    Rows,
    Values,
)

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Group, GroupSnapshot, Snapshot, Volume
    from cinder.volume.configuration import Configuration


class VolumeDriver(abc.ABC):
    """Storage of one back end.

    A method that takes a volume or a snapshot returns the fields of it to store, or None. Every
    one may be run again after any interruption: what is done already is success, so that running
    an operation again is its recovery. Sizes are GiB.

    :param configuration: the options of this back end, see configuration.py
    :param executor: runs every external command, as privsep.command.execute; for tests
    :param host: name of the service, 'host@backend'
    :param cluster_name: cluster that shares this back end
    """

    # A driver that is not kept up is refused at start unless the operator insists.
    supported = True
    # Whether several hosts may work on the same storage: each of them finds there what the others
    # made, and goes on with what they began. Only such a back end can be in a cluster.
    SUPPORTS_ACTIVE_ACTIVE = False
    # Whether copies to new volumes may skip blocks of zeros: only where those read zeros.
    sparse_copy = False
    # Verbs of the journal that move bytes on this storage, 'volume.clone' among them for a volume
    # with a source: they run as bulk work. Known when setup has been checked.
    moves_bytes: frozenset[str] = frozenset()

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        self.configuration = configuration
        self.host = host
        self.cluster_name = cluster_name
        self.executor = executor
        # Of all copies that the driver makes; the manager sets the limit when it is set up.
        self.throttle = Throttle()

    @classmethod
    def only_one_host(cls, configuration: Configuration) -> str | None:
        """Why several hosts cannot work on the storage of a back end with these options; None: they
        can. A driver for which that depends on options overrides it."""
        if cls.SUPPORTS_ACTIVE_ACTIVE:
            return None
        return f'{cls.__name__} has storage of one host (its SUPPORTS_ACTIVE_ACTIVE is False)'

    @abc.abstractmethod
    def do_setup(self, ctxt: RequestContext) -> None:
        """Get ready; runs once, before anything else."""

    @abc.abstractmethod
    def check_for_setup_error(self) -> None:
        """:raises VolumeBackendAPIException: the storage cannot be used, with the cause"""

    def init_capabilities(self) -> None:
        """Find out what the storage can do; by default that is its first report."""
        self.get_volume_stats(refresh=True)

    @abc.abstractmethod
    def get_volume_stats(self, refresh: bool = False) -> Report:
        """The report for the scheduler, capacities in GiB by pool; the last one without `refresh`.
        """

    @abc.abstractmethod
    def create_volume(self, volume: Volume) -> Fields:
        """Make an empty volume that reads zeros."""

    @abc.abstractmethod
    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        """Make a volume with the bytes of a snapshot; it may be bigger."""

    @abc.abstractmethod
    def delete_volume(self, volume: Volume) -> Fields:
        """:raises VolumeIsBusy: something holds it"""

    @abc.abstractmethod
    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        """Grow a volume to `new_size` GiB; the new part reads zeros."""

    @abc.abstractmethod
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        """Keep the bytes that `snapshot.volume` has now."""

    @abc.abstractmethod
    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        """:raises SnapshotIsBusy: something holds it"""

    @abc.abstractmethod
    def local_path(self, volume: Volume) -> str:
        """Path of the volume's device or file on this host."""

    @abc.abstractmethod
    def create_export(self, ctxt: RequestContext, volume: Volume,
                      connector: Connector | None) -> Fields:
        """Make the volume reachable for initiators."""

    @abc.abstractmethod
    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """Make it reachable again, the same way, after a restart of this host or of the target."""

    @abc.abstractmethod
    def remove_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        """End what create_export began; sessions that are left end too."""

    @abc.abstractmethod
    def initialize_connection(self, volume: Volume, connector: Connector) -> Connection:
        """What the connector needs to know: {'driver_volume_type': ..., 'data': {...}}."""

    @abc.abstractmethod
    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """Take back what initialize_connection allowed this connector."""


class ClonesVolumes(abc.ABC):
    @abc.abstractmethod
    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        """Make a volume with the bytes that `src_vref` has now; it may be bigger."""


class RevertsToSnapshot(abc.ABC):
    @abc.abstractmethod
    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        """Put the volume back to what its snapshot holds; the snapshot stays."""


class ChecksHealth(abc.ABC):
    @abc.abstractmethod
    def check_health(self, seconds: float) -> None:
        """Find out with one small question at most whether the storage answers.

        :raises VolumeBackendAPIException: it does not within `seconds`, or is not well
        """


class CorrectsProviderInfo(abc.ABC):
    """What rows say of exports and ids may not be so any more when a service starts."""

    @abc.abstractmethod
    def update_provider_info(self, volumes: list[Volume], snapshots: list[Snapshot],
                             ) -> tuple[list[Values], list[Values]]:
        """Correct the rows of a back end that is set up and has no work yet.

        :returns: for volumes and for snapshots, {'id': ..., fields to store} of those that change
        """


class LosesExports(abc.ABC):
    """Exports that are gone when what makes them has died, such as a target daemon."""

    @abc.abstractmethod
    def lost_exports(self, volumes: list[Volume]) -> list[Volume]:
        """Those of the volumes whose export is not there, all having one by their rows."""


class ReadsSnapshots(abc.ABC):
    """The bytes of a snapshot can be read where they are: a backup needs no volume made of it."""

    @abc.abstractmethod
    def open_snapshot(self, snapshot: Snapshot) -> str:
        """Path of a device on this host that holds the snapshot and cannot be written, until
        close_snapshot."""

    @abc.abstractmethod
    def close_snapshot(self, snapshot: Snapshot) -> None:
        """Take the device back, also when the snapshot is gone."""


class Migrates(abc.ABC):
    @abc.abstractmethod
    def migrate_volume(self, volume: Volume, path: str) -> bool:
        """Let `path` hold the bytes of the volume without copying them all; False: it cannot.

        :param path: device or file on this machine of an empty volume of the same size, which
            another back end has made; `volume` itself stays until it is deleted
        """


class ManagesVolumes(abc.ABC):
    """Volumes that were made without this service can be taken over."""

    @abc.abstractmethod
    def get_manageable_volumes(self, volumes: list[Volume],
                               snapshots: list[Snapshot]) -> list[Manageable]:
        """Everything on the storage that is a volume or could be one, in any order.

        :param volumes: those of this back end that are managed already
        :param snapshots: likewise
        """

    @abc.abstractmethod
    def manage_existing(self, volume: Volume, reference: Reference) -> Fields:
        """Make what the reference means the storage of `volume`; its bytes stay, and it grows
        to the whole GiB of volume.size. On failure it stays what it was.

        :raises ManageExistingInvalidReference: there is no such thing
        """


class ManagesSnapshots(abc.ABC):
    """Snapshots likewise; an entry also has 'source_reference', that of the volume it is of."""

    @abc.abstractmethod
    def get_manageable_snapshots(self, volumes: list[Volume],
                                 snapshots: list[Snapshot]) -> list[Manageable]:
        """As ManagesVolumes.get_manageable_volumes."""

    @abc.abstractmethod
    def manage_existing_snapshot(self, snapshot: Snapshot, reference: Reference) -> Fields:
        """Make what the reference means the storage of `snapshot`.

        :raises ManageExistingInvalidReference: there is no such thing, or it is a snapshot of
            something else than `snapshot.volume`
        """


class Replicates(abc.ABC):
    """Storage that keeps copies of its data on other storages, each with an id."""

    @abc.abstractmethod
    def use_backend(self, backend_id: str | None) -> None:
        """Work with this copy from now on, None being the primary; called first of all, and
        again when another host of the cluster has failed over."""

    @abc.abstractmethod
    def failover_host(self, volumes: list[Volume], backend_id: str | None,
                      ) -> tuple[str | None, dict[str, Values]]:
        """Go over to another copy.

        :param volumes: all volumes of this back end
        :param backend_id: the copy; 'default' is the primary, None is any other than the present
        :returns: id of the copy in use now, None for the primary; id of a volume -> its fields
        """


class Groups(abc.ABC):
    """Groups kept by the storage itself, so that a snapshot has all volumes at one moment."""

    @abc.abstractmethod
    def create_group(self, group: Group) -> Fields:
        """Make an empty group; the fields are the group's."""

    @abc.abstractmethod
    def update_group(self, group: Group, added: list[Volume], removed: list[Volume]) -> Fields:
        """Take volumes in and let others go; they stay as they are."""

    @abc.abstractmethod
    def delete_group(self, group: Group, volumes: list[Volume]) -> None:
        """Remove a group with its volumes, whose exports are gone already."""

    @abc.abstractmethod
    def copy_group(self, group: Group,
                   sources: list[tuple[Volume, Snapshot | Volume]]) -> dict[str, Fields]:
        """Make a group whose volumes have the bytes of others.

        :param sources: (new volume, snapshot or volume that it is made from)
        :returns: id of the new volume -> its fields
        """

    @abc.abstractmethod
    def create_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> dict[str, Fields]:
        """Keep the bytes that all volumes have at one moment: id of the snapshot -> its fields."""

    @abc.abstractmethod
    def delete_group_snapshot(self, group_snapshot: GroupSnapshot,
                              snapshots: list[Snapshot]) -> None:
        """Remove all of these snapshots."""


class Audits(abc.ABC):
    @abc.abstractmethod
    def audit(self, rows: Rows, heal: bool = False) -> list[Finding]:
        """Compare the storage with the rows; it may come before check_for_setup_error.

        :param heal: mend what is safe to mend; nothing is changed without
        """
