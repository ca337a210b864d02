# SPDX-License-Identifier: Apache-2.0
"""The format of the backups in a store: that of its driver, or the chunked one for a store of
objects. The endpoints know one interface."""
import os
from collections.abc import Callable
from typing import Any

from cinder import exception, objects
from cinder.backup import driver as driver_api
from cinder.backup.chunked import deletion, metadata, names, reader, verify, writer
from cinder.backup.facts import Found, Progress, Report, Source, Target, Written
from cinder.conf import CONF


def of(driver: driver_api.Driver) -> 'driver_api.FormatDriver | Chunked':
    """Return the format for the backups of a driver; the methods block."""
    if isinstance(driver, driver_api.FormatDriver):
        return driver
    if isinstance(driver, driver_api.BackupDriver):
        return Chunked(driver)
    raise TypeError(f'{type(driver).__name__} has neither objects nor a format')


def spool() -> str:
    """Return the directory for temporary files of the engine, and create it if needed."""
    path = os.path.join(CONF.state_path, 'backup-spool')
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


class Chunked:
    """The chunked format in a store of objects; driver.FormatDriver has the contract."""

    prefix_is_of_one = True

    def __init__(self, driver: driver_api.BackupDriver) -> None:
        self._driver = driver

    def complete(self, backup: objects.Backup) -> Written | None:
        """Return None: write() finds out."""
        del backup
        return None

    def write(self, backup: objects.Backup, source: Source, *, parent: objects.Backup | None,
              volume_meta: dict[str, Any], progress: Progress) -> Written:
        """Write what is missing of a backup."""
        return writer.write(self._driver, backup, source, spool=spool(), parent=parent,
                            volume_meta=volume_meta, progress=progress,
                            algorithm=CONF.backup_compression_algorithm)

    def restore(self, chain: list[objects.Backup], target: Target, *, done: int,
                checkpoint: Callable[[int], object], progress: Progress) -> None:
        """Write the data of a backup to a volume, and verify all of them."""
        reader.restore(self._driver, chain, target, spool=spool(), done=done,
                       checkpoint=checkpoint, progress=progress)

    def verify(self, chain: list[objects.Backup], *, sample: int) -> Report:
        """Check a backup with the chain below it."""
        return verify.verify(self._driver, chain, spool=spool(), sample=sample)

    def look(self, backup: objects.Backup) -> Found:
        """Return what a backup has, all of whose objects exist."""
        found = metadata.read(self._driver, backup)
        wanted = [*(entry.name for entry in found.entries), names.digests(backup.service_metadata)]
        present = set(self._driver.names(backup.container, backup.service_metadata))
        for name in wanted:
            if name not in present:
                raise exception.BackupObjectNotFound(where=f'{backup.container}/{name}')
        return Found(len(found.entries), found.volume_meta)

    def volume_meta(self, backup: objects.Backup) -> dict[str, Any]:
        """Return what a backup knows of its volume."""
        return metadata.read(self._driver, backup).volume_meta

    def delete_backup(self, backup: objects.Backup) -> None:
        """Delete all objects of a backup."""
        deletion.delete(self._driver, backup)

    def image_of(self, backup: objects.Backup) -> str | None:
        """Return None: objects belong to one backup."""
        del backup
        return None

    def source_snapshot(self, backup: objects.Backup) -> str | None:
        """Return None: the digests show what has changed."""
        del backup
        return None
