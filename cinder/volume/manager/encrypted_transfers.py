# SPDX-License-Identifier: Apache-2.0
"""Brings the data of an image onto an encrypted volume: it is encrypted on its way, so that an
image that must be converted reaches the volume through no file; an image that is encrypted already
is written as it is."""
import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_log import log as logging

from cinder import exception, objects, operations
from cinder.brick import blocking, disks
from cinder.brick.local_dev import sparse_files
from cinder.brick.luks import container, formats, headers, opening
from cinder.i18n import _
from cinder.image import image_properties, image_shares
from cinder.keymgr import keys
from cinder.objects.encryption_formats import PLAIN, Format
from cinder.volume import driver as driver_api
from cinder.volume.data import image_write
from cinder.volume.manager.image_transfers import Transfer
from cinder.volume.manager.task import Task

LOG = logging.getLogger(__name__)
# Seconds that an operation waits for a key manager that is down.
KEY_MANAGER_SECONDS = 120


def format_of(volume: objects.Volume) -> Format | None:
    """Return how the data of a volume is encrypted; None: not by hosts.

    :raises VolumeDriverException: this service cannot encrypt data in that way.
    """
    if not volume.encrypted:
        return None
    if not volume.volume_type.encryption:
        raise exception.VolumeDriverException(
            message=f'volume {volume.id} is encrypted, and its type does not say how')
    return formats.of_type(volume.volume_type.encryption)


def passphrase_of(work: Task[objects.Volume]) -> bytes:
    """Return what opens the volume of an operation.

    :raises NotYet: the key manager is down.
    """
    try:
        return keys.passphrase(work.ctxt, work.resource.encryption_key_id)
    except exception.KeyManagerUnavailable as exc:
        operations.wait(work.ctxt, work.operation, 'the key manager', within=KEY_MANAGER_SECONDS,
                        otherwise=exc)


class EncryptedTransfer(Transfer):
    """The transfer of an image that is not encrypted to an encrypted volume."""

    _wanted: Format
    _passphrase = b''

    def run(self) -> None:
        """See Transfer.

        :raises VolumeDriverException: data cannot be encrypted as the type of the volume asks for.
        """
        self._passphrase = passphrase_of(self._work)
        try:
            super().run()
        finally:
            self._passphrase = b''

    def _room(self) -> int:
        wanted = formats.to_encrypt(self._volume.volume_type.encryption)
        if wanted is None:
            raise exception.VolumeDriverException(
                message=f'volume {self._volume.id} is not encrypted by hosts')
        self._wanted = wanted
        return self._whole() - wanted.header_bytes

    def _whole(self) -> int:
        if isinstance(self._driver, driver_api.Encrypts):
            return self._driver.bytes_of(self._volume)
        return self._volume.size * image_properties.GIB

    @contextlib.contextmanager
    def _opened(self, new: bool = True) -> Iterator[disks.Disk]:
        with super()._opened() as disk:
            made = (container.created(disk, self._whole(), self._wanted, self._passphrase) if new
                    else container.opened(disk, self._whole(), self._passphrase))
            with made as inside:
                yield inside

    def _reads_zeros(self) -> bool:
        return False

    def _start_clean(self) -> None:
        """Do nothing: what an interrupted attempt left cannot be read without its header."""

    def _blank(self, writer: image_write.Writer) -> None:
        """Free the space of former data in a file. Elsewhere it stays, and no key opens it any
        more."""
        path = self._driver.local_path(self._volume)
        if disks.is_file(path) and stat.S_ISREG(os.stat(path).st_mode):
            blocking.call(sparse_files.blank, path, self._whole())

    def _lead(self, claim: image_shares.Claim) -> None:
        if self._image['disk_format'] in image_properties.PLAIN:
            super()._lead(claim)
            return
        self._progress.total = self._image['size'] + self._size
        with self._failing(claim), self._source(claim) as (path, size):
            if self._others():
                self._publish(claim, path, image_shares.SOURCE)
                path = image_shares.path_of(self._image, image_shares.SOURCE)
            self._convert(path, size or 0)

    def _copy_finished(self) -> bool:
        if super()._copy_finished():
            return True
        with image_shares.finished(self._image, image_shares.SOURCE) as descriptor:
            if descriptor is None:
                return False
            self._convert(*self._shared_source())
            return True


def require_opened(work: Task[objects.Volume], driver: driver_api.VolumeDriver,
                   image: Mapping[str, Any]) -> None:
    """Require that hosts can open what an encrypted image has brought onto a volume.

    :raises ImageUnacceptable: it is not encrypted as the type of the volume says, or with another
        key.
    """
    wanted = format_of(work.resource)
    if wanted is None or wanted.kind == PLAIN:
        return
    passphrase = passphrase_of(work)
    with image_write.opened_target(driver, work.resource) as disk:
        reason = blocking.call(_reason, disk, wanted, passphrase)
    if reason:
        raise exception.ImageUnacceptable(image_id=image['id'], reason=reason)


def _reason(disk: disks.Disk, wanted: Format, passphrase: bytes) -> str | None:
    try:
        header = headers.read(disk)
        if header is None:
            return _('its data has no header of LUKS')
        if f'luks{header.version}' != wanted.kind:
            return (_('its data has a header of luks%(found)d, but the volume type is %(wanted)s')
                    % {'found': header.version, 'wanted': wanted.kind})
        # Other functions take up to a gigabyte of memory.
        if all(slot.kdf.kind == 'pbkdf2' for slot in header.slots):
            opening.open_header(disk, passphrase)
    except opening.WrongPassphrase:
        return _('its key does not open its data')
    except exception.VolumeDriverException as exc:
        return str(exc)
    return None
