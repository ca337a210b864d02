# SPDX-License-Identifier: Apache-2.0
"""The properties of images: whether a volume can be created from an image, and which of them are
stored with the volume. The creator of an image sets them; image_convert.py checks the data."""
import json
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.conf import CONF
from cinder.i18n import _

GIB = 1024 ** 3
# Disk formats whose data is that of the disk; names of the others for qemu-img.
PLAIN = frozenset(('raw', 'iso', 'ami'))
QEMU_NAMES = {'qcow2': 'qcow2', 'vhd': 'vpc', 'vhdx': 'vhdx', 'vmdk': 'vmdk', 'vdi': 'vdi',
              'ploop': 'parallels'}
# The disk format of encrypted images.
ENCRYPTED = 'raw'
# Container formats: the data is that of the disk; in the last one, compressed.
COMPRESSED = 'compressed'
_CONTAINERS = frozenset(('bare', 'ovf', 'ami', COMPRESSED))
# Attributes of every image; all others are properties of an image.
_BASE = frozenset((
    'checksum', 'container_format', 'created_at', 'direct_url', 'disk_format', 'file', 'id',
    'image_id', 'image_name', 'locations', 'min_disk', 'min_ram', 'name', 'os_hash_algo',
    'os_hash_value', 'os_hidden', 'owner', 'protected', 'schema', 'self', 'size', 'status',
    'stores', 'tags', 'updated_at', 'virtual_size', 'visibility'))
_KEY, _POLICY = 'cinder_encryption_key_id', 'cinder_encryption_key_deletion_policy'
# Attributes and names of an image that are stored with a volume.
_STORED = frozenset(('image_id', 'image_name', 'checksum', 'container_format', 'disk_format',
                     'min_disk', 'min_ram', 'size'))
# Beginnings of properties that are not stored with a volume; a volume knows itself whether its
# signature was verified. And of those that are not set on an image created from it.
_UNSTORED = ('os_glance', 'cinder_encryption_key', 'signature_verified')
_OWN = (*_UNSTORED, 'img_signature')
# Characters of a name, and of a value (four bytes each).
_LONGEST, _LONGEST_VALUE = 255, 65535 // 4
# The extra spec with the store of the image service.
STORE = 'image_service:store_id'
# The property with the type of a volume whose request names none.
_TYPE = 'cinder_img_volume_type'


def require_usable(image: Mapping[str, Any], size: int, encrypted: bool = False,
                   header: int = 0) -> None:
    """Refuse an image from which no volume of `size` GiB can be created.

    :param encrypted: whether the volume is encrypted.
    :param header: bytes of the volume that the data of the image cannot have.
    :raises ImageUnacceptable: with the reason.
    """
    reason = (_obstacle(image) or _lock(image, encrypted) or _too_small(image, size)
              or _too_full(image, size, header))
    if reason:
        raise exception.ImageUnacceptable(image_id=image['id'], reason=reason)


def _obstacle(image: Mapping[str, Any]) -> str | None:
    kind, container = image.get('disk_format'), image.get('container_format')
    if image.get('status') != 'active':
        return _("it is in status '%s' and must be active") % image.get('status')
    if image.get('size') is None:
        return _('the image service does not know its size')
    if kind not in PLAIN and kind not in QEMU_NAMES:
        return _("disk_format '%s' is not supported") % kind
    if kind not in PLAIN and CONF.image_conversion_disable:
        return _("image conversion is disabled, and its disk_format is '%s'") % kind
    if container not in _CONTAINERS:
        return _("container_format '%s' is not supported") % container
    return None


def key_id_of(image: Mapping[str, Any]) -> str | None:
    """Return the id of the key of an image whose data is encrypted as that of a volume is; None: it
    is not."""
    return image.get(_KEY) or None


def _lock(image: Mapping[str, Any], encrypted: bool) -> str | None:
    if not key_id_of(image):
        return None
    if not encrypted:
        return _('it is encrypted, so the volume needs an encrypted type')
    if image.get('disk_format') != ENCRYPTED:
        return (_("it is encrypted, so its disk_format must be '%(needed)s', but it is '%(found)s'")
                % {'needed': ENCRYPTED, 'found': image.get('disk_format')})
    return None


def _too_full(image: Mapping[str, Any], size: int, header: int) -> str | None:
    """Return why a disk that fits a volume does not fit it beside the header of its encryption."""
    plain = (image.get('disk_format') in PLAIN and image.get('container_format') != COMPRESSED)
    disk = image.get('virtual_size') or (image.get('size') if plain else 0) or 0
    if key_id_of(image) or not header or disk <= size * GIB - header:
        return None
    return (_('its disk has %(disk)d bytes, but %(header)d of the %(size)d GiB of the encrypted '
              'volume are its header; the volume must have at least %(least)d GiB')
            % {'disk': disk, 'header': header, 'size': size, 'least': gibibytes(disk + header)})


def _too_small(image: Mapping[str, Any], size: int) -> str | None:
    least = least_gibibytes(image)
    return None if least <= size else (
        _('it requires a volume of at least %(least)d GiB, but the volume has %(size)d GiB')
        % {'least': least, 'size': size})


def least_gibibytes(image: Mapping[str, Any]) -> int:
    """Return the GiB of the smallest volume for an image, as far as the image service knows."""
    return max(image.get('min_disk') or 0, gibibytes(image.get('size')),
               gibibytes(image.get('virtual_size')))


def gibibytes(size: int | None) -> int:
    """Return bytes as GiB, rounded up."""
    return -(-(size or 0) // GIB)


def of_volume(image: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties of an image that are stored with a volume created from it."""
    named = {**image, 'image_id': image['id'], 'image_name': image.get('name')}
    return {name: str(named[name])[:_LONGEST_VALUE] for name in sorted(named)
            if (name in _STORED or name not in _BASE) and named[name] is not None
            and len(name) <= _LONGEST and not name.startswith(_UNSTORED)}


def of_encrypted(key_id: str) -> dict[str, str]:
    """Return the properties of an image that is encrypted with a key of its own, which the image
    service deletes together with it."""
    return {_KEY: key_id, _POLICY: 'on_image_deletion'}


def of_image(kept: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a new image that is created from a volume.

    :param kept: the properties that of_volume() returned for the volume.
    """
    hidden = (*_OWN, *CONF.reserved_image_namespaces)
    values: dict[str, Any] = {
        name: value for name, value in kept.items()
        if name not in _BASE and name not in CONF.glance_core_properties
        and not name.startswith(hidden)}
    values.update((name, int(kept[name])) for name in ('min_disk', 'min_ram')
                  if kept.get(name, '').isdecimal())
    return values


def urls_of(image: Mapping[str, Any]) -> list[str]:
    """Return the URLs of the data of an image in the stores of the image service, which shows them
    if show_image_direct_url or show_multiple_locations is set there."""
    found = [image.get('direct_url'), *(place.get('url') for place in image.get('locations') or ())]
    return list(dict.fromkeys(url for url in found if url))


def store_of(extra_specs: Mapping[str, str] | None) -> str | None:
    """Return the id of the store of the image service for images of volumes of a type."""
    return (extra_specs or {}).get(STORE) or None


def volume_type_of(image: Mapping[str, Any]) -> str | None:
    """Return the name or id of the type of volumes created from an image, or None."""
    return image.get(_TYPE) or None


def snapshot_of(image: Mapping[str, Any]) -> str | None:
    """Return the id of the volume snapshot that an image of a server refers to, or None; such an
    image has no data."""
    if image.get('size'):
        return None
    try:
        devices = json.loads(image.get('block_device_mapping') or '[]')
        return next((device['snapshot_id'] for device in devices
                     if device.get('snapshot_id') and device.get('boot_index') in (0, '0')), None)
    except (ValueError, TypeError, AttributeError):
        return None
