# SPDX-License-Identifier: Apache-2.0
"""Images and snapshots that were created without this service, and deleted volumes in the trash:
RBDDriver lists them and takes them over, by a new name. This alone lists the pool."""
from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder.brick.ceph import errors, images, mirror, renames, trash
from cinder.brick.ceph.pool import Pool
from cinder.i18n import _
from cinder.volume import driver
from cinder.volume.driver_types import Fields, Manageable, Reference
from cinder.volume.drivers import manageable, rbd_replication, trash_names
from cinder.volume.drivers.rbd_base import GIB, typed

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume

# Key of a reference to an image in the trash.
ID = 'source-id'


class Manages(rbd_replication.Replication, driver.ManagesVolumes, driver.ManagesSnapshots):
    """The part of RBDDriver that takes over what exists."""

    @typed
    def get_manageable_volumes(self, volumes: list[Volume],
                               snapshots: list[Snapshot]) -> list[Manageable]:
        """Return all images of the pool, and those in its trash, which can be restored."""
        owners = manageable.by_name(volumes)
        return [*(manageable.entry(name, size, owners.get(name))
                  for name, size in self.run(_sizes) if not trash_names.is_kept(name)),
                *(_deleted(entry, size) for entry, size in self.run(_trash))]

    @typed
    def get_manageable_snapshots(self, volumes: list[Volume],
                                 snapshots: list[Snapshot]) -> list[Manageable]:
        """Return all snapshots of these volumes, but for those for backups and of mirroring."""
        owners = manageable.by_name(snapshots)
        return [manageable.snapshot_entry(name, size, source, owners.get(name))
                for source, name, size in self.run(_snapshots, [each.name for each in volumes])
                if not driver.backup_of(name) and not trash_names.is_kept(name)
                and not name.startswith(mirror.SNAPSHOTS)]

    @typed
    def manage_existing(self, volume: Volume, reference: Reference) -> Fields:
        try:
            if isinstance(reference, dict) and isinstance(reference.get(ID), str):
                self.run(_restore, str(reference[ID]), volume.name, volume.size * GIB)
            else:
                self.run(_adopt, manageable.name_in(reference), volume.name, volume.size * GIB)
        except errors.NotFound:
            raise manageable.refused(
                reference, _('pool %s has no such image') % self.pool_name) from None
        except images.WrongSize as exc:
            raise manageable.refused(reference, str(exc)) from None
        return self.replicate(volume)

    @typed
    def manage_existing_snapshot(self, snapshot: Snapshot, reference: Reference) -> Fields:
        try:
            self.run(renames.rename_snapshot, snapshot.volume.name,
                     manageable.name_in(reference), snapshot.name)
        except errors.NotFound:
            raise manageable.refused(
                reference, _('image %s has no such snapshot') % snapshot.volume.name) from None


def _sizes(pool: Pool) -> list[tuple[str, int]]:
    return list(_with_sizes(pool, [each['name'] for each in pool.rbd('list2')]))


def _with_sizes(pool: Pool, names: list[str]) -> Iterator[tuple[str, int]]:
    for name in names:
        try:
            yield name, images.size_of(pool, name)
        except errors.NotFound:  # removed since
            continue


def _trash(pool: Pool) -> list[tuple[dict[str, Any], int]]:
    found = []
    for entry in trash.entries(pool):
        try:
            with pool.image(ident=entry['id'], read_only=True) as image:
                found.append((entry, int(image.size())))
        except errors.NotFound:
            continue
    return found


def _deleted(entry: dict[str, Any], size: int) -> Manageable:
    """Return the entry of an image in the trash."""
    until: datetime.datetime = entry['deferment_end_time']
    return {**manageable.entry(entry['name'], size), 'reference': {ID: entry['id']},
            'extra_info': f'{entry["name"]}, in the trash until {until.isoformat()}'}


def _snapshots(pool: Pool, names: list[str]) -> list[tuple[str, str, int]]:
    found = []
    for name in names:
        try:
            with pool.image(name, read_only=True) as image:
                found += [(name, each['name'], each['size']) for each in images.snapshots(image)]
        except errors.NotFound:
            continue
    return found


def _adopt(pool: Pool, found: str, name: str, size: int) -> None:
    """Rename an image and extend it, unless that is done already."""
    try:
        _require_fitting(pool, found, size)
        if found != name:
            renames.rename(pool, found, name)
    except errors.NotFound:
        images.size_of(pool, name)
    images.grow(pool, name, size)


def _restore(pool: Pool, ident: str, name: str, size: int) -> None:
    try:
        trash.restore(pool, ident, name)
    except errors.NotFound:
        images.size_of(pool, name)
    images.grow(pool, name, size)


def _require_fitting(pool: Pool, name: str, size: int) -> None:
    found = images.size_of(pool, name)
    if found > size:
        raise images.WrongSize(f'image {pool.name}/{name} has {found} bytes, more than {size}')
