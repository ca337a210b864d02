# SPDX-License-Identifier: Apache-2.0
"""Optional capabilities about the first and the last data of volumes: headers of encryption,
images, and a trash. driver.py has the others, and is where callers import these from."""
from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cinder.volume.driver_types import Fields

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume
    from cinder.volume.configuration import Configuration


class Encrypts(abc.ABC):
    """Hosts find the header of their encryption on an encrypted volume, where they cannot write one
    themselves; that of copies comes with the data."""

    @abc.abstractmethod
    def create_encrypted_volume(self, volume: Volume, passphrase: bytes | None) -> Fields:
        """Create a volume with a header.

        :param passphrase: what opens it; it must not appear in logs, arguments or files. None: the
            header comes later, with the data
        :raises VolumeDriverException: the encryption of the type of the volume is not possible here
        """

    @abc.abstractmethod
    def bytes_of(self, volume: Volume) -> int:
        """Return the bytes of a volume on the storage, which may be more than its size."""


class ClonesImages(abc.ABC):
    """The image service may keep images on the same storage, where volumes get their data without
    a copy."""

    @abc.abstractmethod
    def clone_image(self, volume: Volume, image: Mapping[str, Any], urls: Sequence[str]) -> bool:
        """Make the new volume, which is empty, a clone of an image; return False if that is not
        possible, and the volume is as it was.

        :param image: as the image service describes it
        :param urls: where the image service says that the data of the image is
        """


class KeepsTrash(abc.ABC):
    """A volume or snapshot that its owner has deleted can stay in a trash of the storage, with its
    data, under another name: it is neither exported nor manageable, and what depends on it is not
    changed. A driver sets `has_trash` where its options and its storage allow that.

    The name of a resource in the trash belongs to the driver, and follows from its own name. Every
    method may run again after an interruption, see VolumeDriver.
    """

    @classmethod
    def trash_problem(cls, configuration: Configuration) -> str | None:
        """Return the reason why a back end with these options has no trash, or None. A driver for
        which this depends on options overrides it."""
        return None

    def trash_place(self, volume: Volume) -> Fields:
        """Return the fields that are stored before trash_volume() and that all later calls for the
        volume need, of a driver that may use another storage by then."""
        return None

    def has_in_use(self, volume: Volume) -> bool:
        """Return whether a volume, in the trash or not, is on the storage that is in use; see
        trash_place()."""
        return True

    def snapshot_space(self, size: int) -> float:
        """Return the GiB that a snapshot of a volume of `size` GiB takes from the pool at once, as
        does one that a clone is copied from: what is in the trash is removed for that. A driver
        overrides it if that is not 0."""
        return 0

    @abc.abstractmethod
    def trash_volume(self, volume: Volume) -> bool:
        """Move a volume, whose export has been removed, to the trash; one that is there already is
        a success. Return False if the storage has it under neither name.

        :raises VolumeIsBusy: the volume is in use
        :raises InsufficientFreeSpace: the storage is too full to keep it; it can be deleted
        """

    @abc.abstractmethod
    def restore_trashed_volume(self, volume: Volume) -> Fields:
        """Give a volume its own name back; one that has it already is a success.

        :returns: the fields to store
        :raises VolumeBackendAPIException: the storage has it under neither name
        """

    @abc.abstractmethod
    def purge_trashed_volume(self, volume: Volume) -> None:
        """Remove a volume from the trash for ever; one that is not there is a success. A volume
        under its own name is never removed.

        :raises VolumeIsBusy: it has to stay, because others depend on it, such as its snapshots in
            the trash
        """

    @abc.abstractmethod
    def trash_snapshot(self, snapshot: Snapshot) -> bool:
        """Move a snapshot to the trash; see trash_volume().

        :raises SnapshotIsBusy: the snapshot is in use
        """

    @abc.abstractmethod
    def restore_trashed_snapshot(self, snapshot: Snapshot) -> None:
        """Give a snapshot its own name back; see restore_trashed_volume()."""

    @abc.abstractmethod
    def purge_trashed_snapshot(self, snapshot: Snapshot) -> None:
        """Remove a snapshot from the trash for ever; see purge_trashed_volume(). Its volume may be
        in the trash too.

        :raises SnapshotIsBusy: it has to stay, because others depend on it
        """
