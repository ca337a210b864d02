# SPDX-License-Identifier: Apache-2.0
"""Replication of volumes by mirroring of RBD: which images are mirrored, and which cluster is used.
rbd_failover.py has the way of one image from one cluster to another."""
from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from cinder import exception
from cinder.brick.ceph import clones, cluster, errors, mirror
from cinder.objects import states
from cinder.volume import driver
from cinder.volume.driver_types import Fields, PoolReport, Values
from cinder.volume.drivers import rbd_base, rbd_failover, rbd_report, rbd_sites
from cinder.volume.drivers.rbd_base import translated, typed
from cinder.volume.drivers.rbd_failover import DONE, READY, WAITS, Run, Verdict, Way
from cinder.volume.drivers.rbd_sites import PRIMARY, Mirror, Site

if TYPE_CHECKING:
    from cinder.objects import Volume, VolumeType
    from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)
# Requests without an answer, after which a cluster is regarded as lost.
_ATTEMPTS = 2
# Volumes named in a message.
_NAMED = 5
# The fields of a volume that is not mirrored.
NOT_MIRRORED: Values = {'replication_status': 'disabled', 'replication_extended_status': None,
                        'replication_driver_data': None}


class Replication(rbd_base.RBDBase, driver.WatchesCopies, driver.Retypes):
    """The part of RBDDriver that mirrors."""

    def __init__(self, configuration: Configuration, *args: Any, **kwargs: Any) -> None:
        super().__init__(configuration, *args, **kwargs)
        self.replicates = len(self.sites) > 1

    @classmethod
    def replication_problems(cls, configuration: Configuration) -> list[str]:
        return list(rbd_sites.problems(configuration))

    def use_backend(self, backend_id: str | None) -> None:
        """Use the cluster with this id; it is connected to when it is needed."""
        self.use_site(self.site_of(backend_id or PRIMARY))
        self.active_backend_id = backend_id

    # ------------------------------------------------------------------------------ one volume
    def replicate(self, volume: Volume) -> Fields:
        """Mirror a new volume if its type wants it."""
        wanted = self.wanted(volume.volume_type)
        if wanted is None:
            return {'replication_status': 'disabled'} if self.replicates else None
        return self.mirror(volume.name, wanted)

    @typed
    def retype(self, volume: Volume, new_type: VolumeType) -> Fields:
        wanted, data = self.wanted(new_type), rbd_sites.stored(volume)
        if self.site is not self.active:
            raise exception.InvalidVolume(
                reason=f'it is on {self.site.backend_id}, and its back end uses '
                       f'{self.active.backend_id}: fail over the back end or the group to the same '
                       'cluster first')
        is_mirrored = volume.replication_status in states.REPLICATED
        stopped = None
        if is_mirrored and not (wanted and wanted.mode == data.get('mode', rbd_sites.MODES[0])):
            stopped = self.stop_mirroring(volume)
            data.pop('had_journaling', None)
        return self.mirror(volume.name, wanted, data) if wanted else stopped

    def wanted(self, volume_type: VolumeType | None) -> Mirror | None:
        try:
            wanted = rbd_sites.wanted(volume_type)
        except rbd_sites.WrongSpec as exc:
            raise exception.InvalidInput(
                reason=f'volume type {volume_type and volume_type.name}: {exc}') from None
        if wanted and not self.replicates:
            raise exception.InvalidInput(
                reason=f'volume type {volume_type and volume_type.name} asks for replication, but '
                       'the back end has no replication_device')
        return wanted

    def mirror(self, name: str, wanted: Mirror, data: Mapping[str, Any] | None = None) -> Values:
        """Mirror an image. It depends on no other one then, because a copy cannot be promoted
        without that of its parent.

        :param data: what is stored of it, if it is mirrored
        """
        with self.flattening:
            self.run(clones.flatten, name)
        had_journal = self.run(mirror.enable, name, wanted.mode)
        if wanted.interval:
            self.run(mirror.schedule, name, wanted.interval)
        else:
            self.run(mirror.unschedule, name)
        stored = {'had_journaling': had_journal, **(data or {}), **dataclasses.asdict(wanted)}
        return {'replication_status': self._healthy(), 'replication_extended_status': None,
                'replication_driver_data': json.dumps(stored)}

    @typed
    def stop_mirroring(self, volume: Volume) -> Values:
        """Remove the copies of a volume."""
        self.run(mirror.disable, volume.name, bool(rbd_sites.stored(volume).get('had_journaling')))
        return dict(NOT_MIRRORED)

    def _healthy(self) -> str:
        return 'enabled' if self.site.backend_id == PRIMARY else 'failed-over'

    # --------------------------------------------------------------------------------- reports
    def replication_report(self) -> PoolReport:
        """Return the part of the report that is about replication."""
        if not self.replicates:
            return {'replication_enabled': False}
        return {'replication_enabled': True, 'replication_type': ['async'],
                'replication_count': len(self.sites) - 1, 'group_replication_enabled': True,
                'replication_targets': [name for name in self.sites if name != PRIMARY]}

    @typed
    def failing_copies(self) -> dict[str, str]:
        return self.run(mirror.failing) if self.replicates else {}

    # -------------------------------------------------------------------------------- failover
    @translated
    def failover_host(self, volumes: list[Volume], backend_id: str | None, patient: bool = True,
                      ) -> tuple[str | None, dict[str, Values]]:
        present = self.active_backend_id or PRIMARY
        target = self.target(backend_id, present)
        if target.backend_id == present:
            # What failed there is tried again, from the cluster that was left, and so is what was
            # restored there. A group has its own request.
            present = next(name for name in self.sites if name != present)
            volumes = [each for each in volumes if each.replication_status == 'failover-error' or (
                rbd_sites.name_of(each) == present and not each.group_id)]
        way = self.way(self.site_of(present), target)
        verdicts = self.move(way, volumes, patient)
        made = {volume.id: self.moved(way, volume, verdicts[volume.name], None)
                for volume in volumes}
        active = None if target.backend_id == PRIMARY else target.backend_id
        self.use_backend(active)
        return active, made

    def target(self, backend_id: str | None, present: str) -> Site:
        """:raises InvalidReplicationTarget: no such cluster is configured"""
        if not self.replicates:
            raise exception.InvalidReplicationTarget(
                reason='the back end has no replication_device')
        return self.site_of(backend_id or next(name for name in self.sites if name != present))

    def way(self, source: Site, target: Site) -> Way:
        """:raises UnableToFailOver: the other cluster cannot be used"""
        there = self._runner(target)
        try:
            reason = there(rbd_report.touch) or there(mirror.check_pool)
        except errors.CephError as exc:
            reason = str(exc)
        if reason:
            raise exception.UnableToFailOver(reason=f'{target.backend_id}: {reason}')
        here, trouble = self._runner(source), ''
        for _attempt in range(_ATTEMPTS):
            try:
                here(rbd_report.touch)
                return Way(here, there, target.backend_id, source.backend_id)
            except errors.CephError as exc:
                trouble = str(exc)
        LOG.warning('%s does not answer (%s): the copies on %s are used as they are.',
                    source.backend_id, trouble, target.backend_id)
        return Way(None, there, target.backend_id, source.backend_id)

    def _runner(self, site: Site) -> Run:
        """Return what runs functions on a site, with less patience than usual."""
        seconds = self.configuration.replication_connect_timeout
        limited = dataclasses.replace(site.settings, retries=0) if seconds < 0 else (
            dataclasses.replace(site.settings, retries=0, connect_timeout=seconds,
                                timeout=max(1, min(seconds * 3, site.settings.timeout))))
        return functools.partial(cluster.get(limited).run, site.pool)

    def move(self, way: Way, volumes: list[Volume], patient: bool) -> dict[str, Verdict]:
        """Move all images: first their copies have to follow them, then each has its turn.

        :raises CopiesIncomplete: to be called again
        :raises UnableToFailOver: no copy can be used
        """
        names = [each.name for each in volumes]
        verdicts = rbd_failover.each(way.look, names)
        # Neither what failed before nor what was there before tells whether the failover has begun.
        first = {each.name: verdicts[each.name] for each in volumes
                 if each.replication_status != 'failover-error'
                 and rbd_sites.name_of(each) != way.name}
        begun = any(verdict.begun for verdict in first.values())
        if not begun:
            self._require_copies(way, first, patient)
        verdicts = rbd_failover.each(way.move, names)
        waiting = _waiting(verdicts)
        if waiting and (patient or not begun):
            raise exception.CopiesIncomplete(waiting, way.name,
                                             self.configuration.rbd_failover_timeout,
                                             promotions=True)
        return verdicts

    def _require_copies(self, way: Way, verdicts: dict[str, Verdict], patient: bool) -> None:
        waiting, back = _waiting(verdicts), way.name == PRIMARY
        if not waiting:
            return
        limit = (self.configuration.rbd_failback_timeout if back
                 else self.configuration.rbd_failover_timeout)
        if patient:
            raise exception.CopiesIncomplete(waiting, way.name, limit)
        if back or not any(verdict.word == READY for verdict in verdicts.values()):
            raise exception.UnableToFailOver(
                reason=f'after {limit} s copies on {way.name} do not follow the volumes: '
                       f'{waiting}; see what rbd mirror pool status says there')

    def moved(self, way: Way, volume: Volume, verdict: Verdict, site: str | None) -> Values:
        """:param site: id of the cluster that has the volume now, if not that of the back end"""
        if verdict.word != DONE:
            LOG.error('Volume %s cannot be used on %s: %s', volume.id, way.name, verdict.reason)
            data = rbd_sites.stored(volume) | {rbd_sites.SITE: way.left}
            return {'replication_status': 'failover-error',
                    'replication_extended_status': verdict.reason[:255],
                    'replication_driver_data': json.dumps(data)}
        data = rbd_sites.stored(volume) | {rbd_sites.SITE: site}
        interval = data.get('interval')
        if interval:
            try:
                way.target(mirror.schedule, volume.name, interval)
            except errors.CephError as exc:
                LOG.warning('Volume %s has no mirror snapshots on %s: %s', volume.id, way.name, exc)
        return {'replication_status': 'enabled' if way.name == PRIMARY else 'failed-over',
                'replication_extended_status': None, 'replication_driver_data': json.dumps(data)}


def _waiting(verdicts: dict[str, Verdict]) -> str:
    """Return the first volumes whose copies do not follow, with their reasons; '' for none."""
    found = [f'{name}: {verdict.reason}' for name, verdict in sorted(verdicts.items())
             if verdict.word == WAITS]
    more = len(found) - _NAMED
    return '; '.join([*found[:_NAMED], *([f'and {more} more'] if more > 0 else ())])
