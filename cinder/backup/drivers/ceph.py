# SPDX-License-Identifier: Apache-2.0
"""A store in a pool of RBD, in the format of the original: images and snapshots. Only what has
changed since the parent is written."""
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from oslo_config import cfg

from cinder import exception, objects
from cinder.backup import driver
from cinder.backup.ceph import deletion, names, reading, writing
from cinder.backup.ceph import pool as pools
from cinder.backup.facts import Found, Progress, Report, Source, Target, Written
from cinder.brick.ceph import bindings, calls, cluster, errors
from cinder.brick.ceph.pool import Pool
from cinder.conf import backup_ceph
from cinder.conf.problem import Problem

T = TypeVar('T')
# Names of features of librbd.
FEATURES = ('LAYERING', 'EXCLUSIVE_LOCK', 'OBJECT_MAP', 'FAST_DIFF')


class CephBackupDriver(driver.FormatDriver):
    """Stores backups in the pool backup_ceph_pool."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        if bool(conf.backup_ceph_stripe_unit) != bool(conf.backup_ceph_stripe_count):
            raise exception.InvalidConfigurationValue(
                f'backup_ceph_stripe_unit = {conf.backup_ceph_stripe_unit} and '
                f'backup_ceph_stripe_count = {conf.backup_ceph_stripe_count}; expected both or '
                'neither')
        self.cluster = cluster.get(cluster.Settings(
            user=conf.backup_ceph_user or '', conf=conf.backup_ceph_conf))

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return backup_ceph.OPTS

    def problems(self) -> Iterator[Problem]:
        try:
            bindings.load()
        except errors.BindingsMissing as exc:
            yield Problem(f'[DEFAULT] backup_driver: {exc}')

    # ------------------------------------------------------------------------- of the service
    def check(self) -> None:
        self._run(self.conf.backup_ceph_pool, _ask)

    def container_of(self, backup: objects.Backup) -> str:
        name: str = backup.container or self.conf.backup_ceph_pool
        if not name or any(letter in name for letter in '/@:\0'):
            raise exception.InvalidBackupContainer(container=name,
                                                   reason='expected the name of a pool')
        return name

    def prefix_of(self, backup: objects.Backup) -> str:
        return names.place(names.own_image(backup))

    def place_of(self, backup: objects.Backup, parent: objects.Backup | None) -> dict[str, str]:
        if parent is None:
            return super().place_of(backup, parent)
        if backup.container not in (None, parent.container):
            raise exception.InvalidBackupContainer(
                container=backup.container,
                reason=f'the new backup builds on {parent.id}, which is in pool '
                       f'{parent.container}; expected the same one')
        image, _snapshot = self._run(parent.container, pools.locate, parent)
        return {'container': parent.container, 'service_metadata': names.place(image)}

    # -------------------------------------------------------------------------- of one backup
    def complete(self, backup: objects.Backup) -> Written | None:
        def look(pool: Pool) -> Written | None:
            with contextlib.suppress(exception.BackupObjectNotFound):
                _image, snapshot = pools.locate(pool, backup)
                if snapshot and pools.has_metadata(pool, backup):
                    return writing.complete(backup)
            return None
        return self._here(backup, look)

    def write(self, backup: objects.Backup, source: Source, *, parent: objects.Backup | None,
              volume_meta: dict[str, Any], progress: Progress) -> Written:
        return self._here(backup, lambda pool: writing.write(
            pool, backup, source, layout=self._layout(pool), parent=parent,
            most=self.conf.backup_ceph_chunk_size,
            volume_meta=volume_meta, progress=progress))

    def restore(self, chain: list[objects.Backup], target: Target, *, done: int,
                checkpoint: Callable[[int], object], progress: Progress) -> None:
        self._here(chain[-1], lambda pool: reading.restore(
            pool, chain[-1], target, discard_excess=self.conf.restore_discard_excess_bytes,
            most=self.conf.backup_ceph_chunk_size, done=done, checkpoint=checkpoint,
            progress=progress))

    def verify(self, chain: list[objects.Backup], *, sample: int) -> Report:
        return self._here(chain[-1], lambda pool: reading.verify(pool, chain, sample))

    def look(self, backup: objects.Backup) -> Found:
        def find(pool: Pool) -> Found:
            pools.locate(pool, backup)
            return Found(backup.object_count or 0, pools.read_metadata(pool, backup))
        return self._here(backup, find)

    def volume_meta(self, backup: objects.Backup) -> dict[str, Any]:
        return self._here(backup, lambda pool: pools.read_metadata(pool, backup))

    def delete_backup(self, backup: objects.Backup) -> None:
        if backup.container:
            self._here(backup, lambda pool: deletion.delete(pool, backup))

    def source_snapshot(self, backup: objects.Backup) -> str | None:
        return self._here(backup, lambda pool: pools.locate(pool, backup)[1])

    def image_of(self, backup: objects.Backup) -> str | None:
        return f'{backup.container}/{names.images(backup)[0]}'

    # --------------------------------------------------------------------------------- helpers
    def _run(self, pool: str, function: Callable[..., T], *args: Any) -> T:
        """Call function(pool, ...) from a thread of the service."""
        with pools.errors_at(pool):
            return self.cluster.run(pool, function, *args)

    def _here(self, backup: objects.Backup, function: Callable[[Pool], T]) -> T:
        """Call function(pool) in this thread, which is a native one."""
        with pools.errors_at(f'{backup.container}/{names.images(backup)[0]}'):
            return self.cluster.run_here(backup.container, function)

    def _layout(self, pool: Pool) -> dict[str, Any]:
        """Return the arguments of librbd's create() for images."""
        wanted = [*FEATURES]
        layout: dict[str, Any] = {'old_format': False}
        if self.conf.backup_ceph_image_journals:
            wanted.append('JOURNALING')
        if self.conf.backup_ceph_stripe_count:
            wanted.append('STRIPINGV2')
            layout |= {'stripe_unit': self.conf.backup_ceph_stripe_unit,
                       'stripe_count': self.conf.backup_ceph_stripe_count}
        layout['features'] = sum(getattr(pool.module, f'RBD_FEATURE_{name}') for name in wanted)
        return layout


def _ask(pool: Pool) -> None:
    """Have an OSD of the pool answer."""
    with contextlib.suppress(errors.NotFound):  # a pool without images
        calls.make('Ioctx.stat', pool.ioctx.stat, 'rbd_info')
