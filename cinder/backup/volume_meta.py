# SPDX-License-Identifier: Apache-2.0
"""What a backup knows of its volume besides the data: written into the metadata of the backup in
the form of the original, and given to the volume that is restored."""
import contextlib
import datetime
from collections.abc import Mapping
from typing import Any

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.objects import encryption_formats

# Columns of the original; those with credentials (provider_auth) and places are left out.
_COLUMNS = (
    'id', 'user_id', 'project_id', 'snapshot_id', 'size', 'availability_zone', 'status',
    'attach_status', 'display_name', 'display_description', 'volume_type_id', 'source_volid',
    'encryption_key_id', 'group_id', 'bootable', 'multiattach', 'launched_at', 'created_at',
    'updated_at')
_BASE, _METADATA, _IMAGE = 'volume-base-metadata', 'volume-metadata', 'volume-glance-metadata'


def of(volume: objects.Volume) -> dict[str, Any]:
    """Return the facts about a volume, as JSON types."""
    found = {_BASE: {name: _plain(volume.get(name)) for name in _COLUMNS},
             _METADATA: dict(volume.get('metadata') or {})}
    if volume.get('glance_metadata'):
        found[_IMAGE] = dict(volume.glance_metadata)
    return found


def apply(ctxt: RequestContext, volume: objects.Volume, found: Mapping[str, Any],
          new: bool) -> dict[str, Any]:
    """Give a restored volume what describes its data: properties of an image, and whether it can be
    booted from. Must be called within a transaction.

    :param found: the facts of the backup; unknown and missing ones are ignored
    :param new: the volume was created for the restore, and gets the metadata of its user as well
    :returns: columns to write
    """
    image, metadata = _texts(found.get(_IMAGE)), _texts(found.get(_METADATA))
    if image:
        volumes_db.set_glance_metadata(ctxt, volume.id, image, replace=True)
    if new and metadata:
        volumes_db.set_metadata(ctxt, volume.id, metadata)
    base = found.get(_BASE)
    bootable = base.get('bootable') if isinstance(base, Mapping) else None
    return {'bootable': bool(bootable)} if bootable is not None else {}


def require_encryption(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume,
                       found: Mapping[str, Any]) -> None:
    """Require that hosts read the data of an encrypted backup as that of the volume. The type of
    its former volume may have changed since.

    :raises InvalidBackup: they do not.
    """
    base = found.get(_BASE)
    ident = base.get('volume_type_id') if isinstance(base, Mapping) else None
    if ident in (None, volume.volume_type_id):
        return
    with contextlib.suppress(exception.VolumeTypeNotFound):
        one, other = (types_db.get(ctxt.elevated(), each).encryption or {}
                      for each in (ident, volume.volume_type_id))
        if all(one.get(name) == other.get(name) for name in encryption_formats.SETTINGS):
            return
    raise exception.InvalidBackup(
        reason=f'backup {backup.id} is of a volume of type {ident}, which was not encrypted as '
               f'volume {volume.id} is; restore it to a new volume')


def project_of(found: Mapping[str, Any]) -> str | None:
    """Return the project of the volume."""
    base = found.get(_BASE)
    return base.get('project_id') if isinstance(base, Mapping) else None


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, Mapping):
        return {}
    return {str(key)[:255]: str(value) for key, value in found.items() if value is not None}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime.datetime) else value
