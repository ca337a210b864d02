# SPDX-License-Identifier: Apache-2.0
"""Names of what a backup has in the pool. Other programs, the original among them, read them."""
import json
import re

from cinder import exception, objects

_SNAPSHOT = re.compile(r'backup\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.snap\.'
                       r'(\d+(?:\.\d+)?)')


def own_image(backup: objects.Backup) -> str:
    """Return the name of the image of a full backup."""
    return f'volume-{backup.volume_id}.backup.{backup.id}'


def old_image(backup: objects.Backup) -> str:
    """Return the name of the image of all backups of a volume, as old releases of the original
    made it."""
    return f'volume-{backup.volume_id}.backup.base'


def images(backup: objects.Backup) -> tuple[str, ...]:
    """Return the names that the image of a backup may have, the likeliest first.

    :raises InvalidBackup: the row names an image that is not one of its volume
    """
    if not backup.service_metadata:
        return own_image(backup), old_image(backup)
    try:
        name = json.loads(backup.service_metadata)['base']
    except (ValueError, TypeError, KeyError):
        name = None
    if not isinstance(name, str) or not name.startswith(f'volume-{backup.volume_id}.backup.'):
        raise exception.InvalidBackup(
            reason=f'its service_metadata is {backup.service_metadata[:200]!r}; expected the '
                   f'name of an image of volume {backup.volume_id}, as {{"base": "..."}}')
    return (name,)


def place(image: str) -> str:
    """Return what the column `service_metadata` of a backup in an image holds."""
    return json.dumps({'base': image})


def new_snapshot(backup: objects.Backup, now: float) -> str:
    """Return the name of the snapshot of a backup.

    :param now: seconds since 1970; the snapshots of a volume are pruned in this order
    """
    return f'backup.{backup.id}.snap.{now:.6f}'


def owner(snapshot: str) -> str | None:
    """Return the id of the backup that a snapshot is of; None: of none."""
    found = _SNAPSHOT.fullmatch(snapshot)
    return found[1] if found else None


def metadata(backup: objects.Backup) -> str:
    """Return the name of the object with what a backup knows of its volume."""
    return f'backup.{backup.id}.meta'
