# SPDX-License-Identifier: Apache-2.0
"""The volume group of a driver: selected by the options, thin or thick, with its free space and
whether it accepts new volumes. lvm.py handles the volumes in it."""
from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar, cast

from cinder import exception
from cinder.brick.local_dev import (
    block_copy,
    device_mapper,
    lvm,
    reports,
    thick_lvm,
    thin_lvm,
    thin_pool_monitor,
)
from cinder.conf import CONF
from cinder.privsep import command, device_users, dm_suspend, thin_metadata
from cinder.volume import driver
from cinder.volume.driver_types import PoolReport, Ranges
from cinder.volume.drivers import exported

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Snapshot, Volume


LOG = logging.getLogger(__name__)

Group = TypeVar('Group', bound=lvm.LVM)
# LVM reserves names with these prefixes, see lvm(8), VALID NAMES.
_RESERVED = ('snapshot', 'pvmove')


class GroupDriver(exported.ExportedDriver, driver.ChecksHealth):
    """Driver of one volume group.

    :ivar vg: the group, known after check_for_setup_error()
    :ivar monitor: of its thin pool; None for thick volumes
    """

    vg: thin_lvm.ThinLVM | thick_lvm.ThickLVM
    monitor: thin_pool_monitor.ThinPoolMonitor | None
    read_metadata = staticmethod(thin_metadata.read)
    device_users = staticmethod(device_users.find_users)

    def do_setup(self, ctxt: RequestContext) -> None:
        """Do nothing: check_for_setup_error() decides from the group how it is used."""

    def check_for_setup_error(self) -> None:
        """Choose thin or thick volumes for the group; create the thin pool if it is missing.

        :raises VolumeBackendAPIException: the group does not exist; thin volumes are configured but
            LVM does not support them; or the pool cannot be created (with the output of lvcreate)
        """
        group = self._choose()
        vg = self.vg
        if isinstance(vg, thin_lvm.ThinLVM) and vg.pool_name not in group.volumes:
            vg.create_pool()

    def _choose(self) -> reports.Group:
        """Set `vg` to a thin or thick group, according to the options and to what exists."""
        wanted = self.configuration.lvm_type
        probe = self._open(lvm.LVM)
        try:
            group = probe.group(refresh=True)
        except reports.GroupNotFound as exc:
            raise exception.VolumeBackendAPIException(
                data=f'volume group {probe.vg_name} does not exist') from exc
        thin = wanted == 'thin' or (
            wanted == 'auto' and (not group.volumes or probe.pool_name in group.volumes))
        if thin and not probe.supports_thin():
            if wanted == 'thin':
                raise exception.VolumeBackendAPIException(
                    data='lvm_type is "thin", but this version of LVM does not support '
                         'thin volumes')
            thin = False
        thin_vg = self._open(thin_lvm.ThinLVM) if thin else None
        self.vg = thin_vg or self._thick()
        self.sparse_copy = thin
        self.bulk_verbs = frozenset() if thin else self._thick_copies()
        self.monitor = self._monitor(thin_vg) if thin_vg else None
        return group

    def _thick_copies(self) -> frozenset[str]:
        clears = self.configuration.volume_clear != 'none'
        return frozenset(('volume.clone', 'volume.revert', *(
            ('volume.delete', 'snapshot.delete', 'group.delete', 'group_snapshot.delete',
             'trash.purge')
            if clears else ())))

    def _open(self, kind: Callable[..., Group], **options: object) -> Group:
        """Return the group as an object of a class of brick.

        :param options: options that only this class has
        """
        config = self.configuration
        conf_file = config.lvm_conf_file
        if conf_file and (conf_file.lower() == 'none' or not os.path.exists(conf_file)):
            conf_file = None
        return kind(config.volume_group, executor=self.executor, lvm_conf=conf_file,
                    suppress_fd_warn=config.lvm_suppress_fd_warnings,
                    tries=config.num_shell_tries, discard=config.report_discard_supported,
                    freezer=getattr(self.executor, 'frozen', dm_suspend.frozen), **options)

    def _thick(self) -> thick_lvm.ThickLVM:
        config = self.configuration
        mover = block_copy.Blocks(self.executor or command.execute, config.volume_dd_blocksize,
                                  config.volume_clear, config.volume_clear_size,
                                  config.volume_clear_ionice, self.throttle)
        return self._open(thick_lvm.ThickLVM, mirrors=config.lvm_mirrors, mover=mover)

    def _volume_free(self, volume: Volume) -> AbstractContextManager[None]:
        return self._free(volume.name, exception.VolumeIsBusy, volume_name=volume.name)

    def _snapshot_free(self, snapshot: Snapshot) -> AbstractContextManager[None]:
        return self._free(lv_name(snapshot), exception.SnapshotIsBusy,
                          snapshot_name=snapshot.name)

    @contextlib.contextmanager
    def _free(self, name: str, error: type[exception.CinderException],
              **names: str) -> Iterator[None]:
        """Raise an error that names the users of the device if the body finds it in use."""
        try:
            yield
        except reports.LVInUse as exc:
            held = ', '.join(self.device_users(self.vg.device(name)))
            raise error(reason=f'{exc.msg}; it is held by {held}' if held else exc.msg,
                        **names) from exc

    def check_health(self, seconds: float) -> None:
        self.vg.check_health(seconds)

    def _thin_ranges(self, name: str, base: str | None = None) -> Ranges:
        """Return the mapped ranges of a thin volume, or those in which it differs from another one;
        None for thick volumes, and if the metadata of the pool cannot be read."""
        vg = self.vg
        if not isinstance(vg, thin_lvm.ThinLVM):
            return None
        names = [name, base] if base else [name]
        ids = {found.name: found.thin_id for found in vg.find(*names).values() if vg.holds(found)}
        if ids.get(name) is None or base and ids.get(base) is None:
            return None
        try:
            with device_mapper.metadata_turn(vg, CONF.state_path) as left:
                block, numbers = self.read_metadata(
                    vg.mapped_name(vg.pool_name), cast('int', ids[name]),
                    ids[base] if base else None, left)
        except (ValueError, OSError, reports.LVMError) as exc:
            LOG.warning('The blocks of %s could not be listed, so all of it is read: %s', name, exc)
            return None
        return ((first * block, count * block)
                for first, count in zip(numbers[::2], numbers[1::2], strict=True))

    def _monitor(self, vg: thin_lvm.ThinLVM) -> thin_pool_monitor.ThinPoolMonitor:
        config = self.configuration
        limits = thin_pool_monitor.Limits(config.lvm_pool_soft_limit, config.lvm_pool_hard_limit,
                                          config.lvm_pool_autoextend)
        if limits.soft > limits.hard:
            raise exception.InvalidConfigurationValue(option='lvm_pool_soft_limit',
                                                      value=limits.soft)
        return thin_pool_monitor.ThinPoolMonitor(vg.full_name(vg.pool_name), limits, vg.extend_pool)

    def _look(self) -> reports.Group:
        """Return the current group; a thin pool is extended if needed, and its state is updated."""
        vg = self.vg
        group = vg.group(refresh=True)
        if self.monitor and isinstance(vg, thin_lvm.ThinLVM):
            if self.monitor.extend_if_needed(group, vg.pool(group)):
                group = vg.group()
            self.monitor.check(vg.pool(group))
        return group

    def _require_room(self) -> None:
        """:raises PoolRefuses: the pool is too full for new volumes, or damaged"""
        # The last report is enough to continue, but not to refuse.
        if self.monitor and self.monitor.refusal:
            self._look()
            if self.monitor.refusal:
                raise reports.PoolRefuses(data=self.monitor.refusal)

    def _pool_stats(self) -> PoolReport:
        capacity = self.vg.capacity(self._look())
        refusal = self.monitor.refusal if self.monitor else ''
        kind = 'thin' if self.sparse_copy else 'default'
        return {
            **self._pool(total=capacity.total, free=0 if refusal else capacity.free,
                         provisioned=capacity.provisioned, volumes=capacity.volumes,
                         thin=self.sparse_copy,
                         ratio=self.configuration.lvm_max_over_subscription_ratio),
            'backend_state': 'down' if self.monitor and self.monitor.broken else 'up',
            'data_percent': capacity.data_percent,
            'metadata_percent': capacity.metadata_percent,
            'pool_refusal': refusal,
            'location_info': f'LVMVolumeDriver:{self.host}:{self.vg.vg_name}:{kind}:'
                             f'{self.configuration.lvm_mirrors}',
        }


def lv_name(snapshot: Snapshot) -> str:
    """Return the name of the logical volume of a snapshot."""
    return f'_{snapshot.name}' if snapshot.name.startswith(_RESERVED) else snapshot.name
