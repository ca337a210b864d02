# SPDX-License-Identifier: Apache-2.0
"""A file driver whose trash is a prefix of the names, whatever trash the file driver itself has."""
import os

from cinder import exception
from cinder.volume import driver
from cinder.volume.drivers.file import FileVolumeDriver


def _move(driver, source, target):
    if not os.path.exists(driver._path(target)) and os.path.exists(driver._path(source)):
        os.rename(driver._path(source), driver._path(target))


class TrashingDriver(FileVolumeDriver, driver.KeepsTrash):
    """:ivar trash_busy: the storage needs what is in the trash."""

    has_trash = True
    trash_busy = False

    def trash_volume(self, volume):
        _move(self, volume.name, f'trash.{volume.name}')

    def restore_trashed_volume(self, volume):
        _move(self, f'trash.{volume.name}', volume.name)
        if not os.path.exists(self._path(volume.name)):
            raise exception.VolumeDriverException(message=f'no {volume.name}')

    def purge_trashed_volume(self, volume):
        if self.trash_busy:
            raise exception.VolumeIsBusy(volume_name=volume.name, reason='a clone')
        if os.path.exists(self._path(f'trash.{volume.name}')):
            os.unlink(self._path(f'trash.{volume.name}'))

    trash_snapshot = trash_volume
    restore_trashed_snapshot = restore_trashed_volume
    purge_trashed_snapshot = purge_trashed_volume
