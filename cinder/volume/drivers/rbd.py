# SPDX-License-Identifier: Apache-2.0
"""Volumes as images of RBD in a pool of a Ceph cluster. brick.ceph makes the calls; here volumes
and snapshots become images, and errors of Ceph those of a back end."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from cinder import exception
from cinder.brick.ceph import clones, cluster, errors, images
from cinder.brick.ceph.pool import Pool
from cinder.volume import driver
from cinder.volume.driver_types import Executor, Fields, Report
from cinder.volume.drivers import rbd_connection, rbd_report
from cinder.volume.drivers.rbd_connection import typed

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Snapshot, Volume
    from cinder.volume.configuration import Configuration

P = ParamSpec('P')
R = TypeVar('R')
GIB = 1024 ** 3
# The snapshot that a clone is made of, which has no row: this follows the name of the clone.
CLONE_SNAPSHOT = '.clone_snap'


class RBDDriver(rbd_connection.Connections, driver.VolumeDriver, driver.ClonesVolumes,
                driver.RevertsToSnapshot):
    """Any number of hosts use a pool at a time."""

    SUPPORTS_ACTIVE_ACTIVE = True
    sparse_copy = True
    VENDOR = 'Open Source'
    VERSION = '1.0.0'

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        super().__init__(configuration, executor, host, cluster_name)
        self.backend_name = (configuration.volume_backend_name
                             or getattr(configuration, 'config_group', None)
                             or type(self).__name__)
        self.order = (configuration.rbd_store_chunk_size * 1024 ** 2).bit_length() - 1
        self.ceph = cluster.get(settings(configuration))
        self.pool_name: str = configuration.rbd_pool
        self._stats: Report = {}

    def run(self, function: Callable[Concatenate[Pool, P], R], *args: P.args,
            **kwargs: P.kwargs) -> R:
        """Call function(pool, ...) on the pool of this back end; see Cluster.run."""
        return self.ceph.run(self.pool_name, function, *args, **kwargs)

    def do_setup(self, ctxt: RequestContext) -> None:
        """The first call connects."""

    @typed
    def check_for_setup_error(self) -> None:
        if 2 ** self.order != self.configuration.rbd_store_chunk_size * 1024 ** 2:
            raise exception.InvalidConfigurationValue(
                option='rbd_store_chunk_size', value=self.configuration.rbd_store_chunk_size)
        self.fsid: str = self.run(lambda pool: pool.connection.rados.get_fsid())

    @typed
    def get_volume_stats(self, refresh: bool = False) -> Report:
        if refresh or not self._stats:
            pool = self.run(rbd_report.pool_report, self.configuration, self.backend_name)
            self._stats = {
                'volume_backend_name': self.backend_name, 'vendor_name': self.VENDOR,
                'driver_version': self.VERSION, 'storage_protocol': 'ceph',
                'backend_state': pool['backend_state'], 'pools': [pool]}
        return self._stats

    # ---------------------------------------------------------------------------------- volumes
    @typed
    def create_volume(self, volume: Volume) -> Fields:
        self.run(images.create, volume.name, volume.size * GIB, self.order)

    @typed
    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self.run(clones.clone, snapshot.volume.name, snapshot.name, volume.name,
                 volume.size * GIB, self.order)

    @typed
    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        self.run(_clone_volume, src_vref.name, volume.name, volume.size * GIB, self.order)

    @typed
    def delete_volume(self, volume: Volume) -> Fields:
        try:
            self.run(images.remove, volume.name)
        except (errors.Busy, errors.HasSnapshots) as exc:
            raise exception.VolumeIsBusy(volume_name=volume.name, reason=str(exc)) from exc

    @typed
    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        self.run(images.grow, volume.name, new_size * GIB)

    @typed
    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self.run(images.revert, volume.name, snapshot.name, volume.size * GIB)

    # -------------------------------------------------------------------------------- snapshots
    @typed
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        self.run(images.create_snapshot, snapshot.volume.name, snapshot.name)

    @typed
    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        try:
            self.run(images.remove_snapshot, snapshot.volume.name, snapshot.name)
        except errors.Busy as exc:
            raise exception.SnapshotIsBusy(snapshot_name=snapshot.name, reason=str(exc)) from exc


def settings(configuration: Configuration) -> cluster.Settings:
    """Return how the cluster of a back end is reached."""
    return cluster.Settings(
        user=configuration.rbd_user or '', conf=configuration.rbd_ceph_conf,
        cluster_name=configuration.rbd_cluster_name,
        connect_timeout=configuration.rados_connect_timeout,
        timeout=configuration.rados_operation_timeout,
        retries=configuration.rados_connection_retries,
        interval=configuration.rados_connection_interval)


def _clone_volume(pool: Pool, source: str, name: str, size: int, order: int) -> None:
    """Clone an image through a snapshot that disappears from sight at once."""
    snapshot = name + CLONE_SNAPSHOT
    images.create_snapshot(pool, source, snapshot)
    clones.clone(pool, source, snapshot, name, size, order)
    images.remove_snapshot(pool, source, snapshot)
