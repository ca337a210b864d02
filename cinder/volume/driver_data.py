# SPDX-License-Identifier: Apache-2.0
"""Optional capabilities that give new volumes their first data: headers of encryption, and images.
driver.py has the others, and is where callers import these from."""
from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cinder.volume.driver_types import Fields

if TYPE_CHECKING:
    from cinder.objects import Volume


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
