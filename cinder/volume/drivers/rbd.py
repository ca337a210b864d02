# SPDX-License-Identifier: Apache-2.0
"""Volumes as images of RBD in a pool of a Ceph cluster. brick.ceph makes the calls; here volumes
and snapshots become images. Further parts of the driver lie in modules rbd_*.py."""
from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cinder import exception
from cinder.brick.ceph import clones, features, images, trash
from cinder.objects import states
from cinder.volume import driver
from cinder.volume.driver_types import Executor, Fields, Report
from cinder.volume.drivers import (
    rbd_audit,
    rbd_backups,
    rbd_base,
    rbd_connection,
    rbd_encryption,
    rbd_groups,
    rbd_images,
    rbd_manage,
    rbd_migration,
    rbd_replication,
    rbd_report,
    rbd_sites,
    rbd_trash,
)
from cinder.volume.drivers.rbd_base import GIB, PASSING, translated, typed

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Snapshot, Volume
    from cinder.volume.configuration import Configuration

# Most seconds between two attempts to remove an image from the trash that others depend on.
LONGEST_KEPT = 3600


class RBDDriver(
        rbd_audit.Audits,
        rbd_backups.Backups,
        rbd_connection.Connections,
        rbd_groups.GroupsOfVolumes,
        rbd_encryption.Encrypts,
        rbd_images.ClonesImages,
        rbd_manage.Manages,
        rbd_migration.Migrates,
        rbd_trash.KeepsDeleted,
        rbd_replication.Replication,
        rbd_base.RBDBase,
        driver.ClonesVolumes,
        driver.RevertsToSnapshot,
        driver.ChecksHealth,
        driver.PurgesDeleted):
    """Any number of hosts use a pool at a time."""

    SUPPORTS_ACTIVE_ACTIVE = True
    sparse_copy = True
    bulk_verbs = frozenset(('volume.revert',))
    VENDOR = 'Open Source'
    VERSION = '1.0.0'

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        super().__init__(configuration, executor, host, cluster_name)
        self._stats: Report = {}
        self._provisioned = rbd_report.Provisioned(self.run)
        # Id of an image of the trash -> when to try again to remove it, and seconds until then.
        self._kept: dict[str, tuple[float, float]] = {}
        self._next_purge = 0.0
        self._looking: threading.Thread | None = None

    def use_site(self, site: rbd_sites.Site) -> None:
        super().use_site(site)
        # What looks at the other cluster may take long.
        self._looking = None

    def do_setup(self, ctxt: RequestContext) -> None:
        """The first call connects."""

    @typed
    def check_for_setup_error(self) -> None:
        config = self.configuration
        if 2 ** self.order != config.rbd_store_chunk_size * 1024 ** 2:
            raise exception.InvalidConfigurationValue(
                option='rbd_store_chunk_size', value=config.rbd_store_chunk_size)
        self.run(rbd_report.touch)
        self.run(features.require_usable, self.order, config.rbd_features)
        if config.rbd_flatten_volume_from_snapshot or not config.rbd_max_clone_depth:
            self.bulk_verbs = frozenset((*type(self).bulk_verbs, 'volume.clone'))

    @typed
    def get_volume_stats(self, refresh: bool = False) -> Report:
        if refresh or not self._stats:
            config = self.configuration
            pool = self.run(rbd_report.pool_report, config, self.backend_name)
            if not config.rbd_exclusive_cinder_pool:
                pool |= self._provisioned.look()
            self._stats = {
                'volume_backend_name': self.backend_name, 'vendor_name': self.VENDOR,
                'driver_version': self.VERSION, 'storage_protocol': 'ceph',
                'backend_state': pool['backend_state'],
                'pools': [pool]}
            pool.update(self.replication_report())
        return self._stats

    def check_health(self, seconds: float) -> None:
        """Read a few bytes from the pool."""
        if self._looking is None or not self._looking.is_alive():
            answers: list[Exception | None] = []
            self._answers = answers
            self._looking = threading.Thread(target=self._look, args=(answers,), daemon=True)
            self._looking.start()
        self._looking.join(seconds)
        if not self._answers:
            raise exception.BackendUnresponsive(
                data=f'pool {self.pool_name} does not answer within {seconds:g} s')
        if self._answers[0] is not None:
            raise self._answers[0]

    def _look(self, answers: list[Exception | None]) -> None:
        try:
            translated(self.run)(rbd_report.touch)
            answers.append(None)
        except Exception as exc:
            answers.append(exc)

    # ---------------------------------------------------------------------------------- volumes
    @typed
    def create_volume(self, volume: Volume) -> Fields:
        self.run(images.create, volume.name, volume.size * GIB, self.order, **self.layout)
        return self.replicate(volume)

    @typed
    def create_volume_from_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self.run(clones.clone, snapshot.volume.name, snapshot.name, volume.name,
                 self.size_in_bytes(volume, volume.size, snapshot.volume.name), self.order,
                 **self.layout)
        self.settle(snapshot, volume.name)
        self._flatten_if(self.configuration.rbd_flatten_volume_from_snapshot,
                         snapshot.volume.name, volume)
        return self.replicate(volume)

    @typed
    def create_cloned_volume(self, volume: Volume, src_vref: Volume) -> Fields:
        self.run(clones.clone_image, src_vref.name, volume.name + PASSING, volume.name,
                 self.size_in_bytes(volume, volume.size, src_vref.name), self.order, **self.layout)
        self._flatten_if(False, src_vref.name, volume)
        return self.replicate(volume)

    def _flatten_if(self, wanted: bool, source: str, volume: Volume) -> None:
        """Make a clone independent of its source, if that is wanted or it has too many parents."""
        limit = self.configuration.rbd_max_clone_depth
        if wanted or not limit or self.run(clones.depth, source, limit) >= limit:
            with self.flattening:
                self.run(clones.flatten, volume.name)

    @typed
    def delete_volume(self, volume: Volume) -> Fields:
        config = self.configuration
        delay = config.deferred_deletion_delay if config.enable_deferred_deletion else None
        if volume.replication_status in states.REPLICATED:
            # The mirror daemon has the image open otherwise.
            self.stop_mirroring(volume)
        with rbd_trash.free(volume):
            self.run_freeing(trash.delete, volume.name, self.owned, delay,
                             rbd_trash.goes_with_volume)

    @typed
    def purge_deleted(self) -> None:
        now = time.monotonic()
        if now < self._next_purge:
            return
        self._next_purge = now + self.configuration.deferred_deletion_purge_interval
        found = self.run(trash.due, self.owned)
        self._kept = {ident: self._kept[ident] for ident in found if ident in self._kept}
        for ident in found:
            again, pause = self._kept.get(ident, (0.0, 0.0))
            if now >= again and not self.run_freeing(trash.collect, ident, self.owned):
                pause = min(LONGEST_KEPT, max(60, pause * 2))
                self._kept[ident] = now + pause, pause

    @typed
    def extend_volume(self, volume: Volume, new_size: int) -> Fields:
        self.run(images.grow, volume.name,
                 self.size_in_bytes(volume, new_size, volume.name))
        self.limit(volume, new_size)

    @typed
    def revert_to_snapshot(self, volume: Volume, snapshot: Snapshot) -> Fields:
        self.run(images.revert, volume.name, snapshot.name,
                 self.size_in_bytes(volume, volume.size, volume.name))
        self.settle(snapshot, volume.name)

    # -------------------------------------------------------------------------------- snapshots
    @typed
    def create_snapshot(self, snapshot: Snapshot) -> Fields:
        self.run(images.create_snapshot, snapshot.volume.name, snapshot.name)

    @typed
    def delete_snapshot(self, snapshot: Snapshot) -> Fields:
        with rbd_trash.free_snapshot(snapshot):
            self.run_freeing(images.remove_snapshot, snapshot.volume.name, snapshot.name)
