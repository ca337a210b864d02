# SPDX-License-Identifier: Apache-2.0
"""The pool of backups: what is in it for one backup, and its errors. The modules beside it move the
bytes."""
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from cinder import exception, objects
from cinder.backup.ceph import names
from cinder.brick.ceph import calls, errors, images
from cinder.brick.ceph.pool import Pool

# Most bytes of the object with what a backup knows of its volume.
_META_BYTES = 2**20
VOLUME_META_VERSION = 2
_ERRORS: dict[type[errors.CephError], type[exception.BackupStoreError]] = {
    errors.TimedOut: exception.BackupStoreUnavailable,
    errors.ConnectionLost: exception.BackupStoreUnavailable,
    errors.CannotConnect: exception.BackupStoreUnavailable,
    # A process that was killed with an image open has it for half a minute more.
    errors.Busy: exception.BackupStoreUnavailable,
    errors.Locked: exception.BackupStoreUnavailable,
    errors.Full: exception.BackupStoreFull,
    errors.Denied: exception.BackupStoreRefused}


@contextlib.contextmanager
def errors_at(where: str) -> Iterator[None]:
    """Raise an error of Ceph as one of the store.

    :param where: pool and image
    """
    try:
        yield
    except errors.NotFound as exc:
        raise exception.BackupObjectNotFound(where=where) from exc
    except errors.CephError as exc:
        kind = _ERRORS.get(type(exc), exception.BackupStoreError)
        if isinstance(exc, errors.CannotConnect) and exc.errno:
            kind = exception.BackupStoreRefused
        raise kind(where=where, reason=exc) from exc


def find(pool: Pool, backup: objects.Backup) -> tuple[str, list[str]] | None:
    """Return the image of a backup and the names of its snapshots, oldest first; None: there is no
    image."""
    for name in names.images(backup):
        try:
            with pool.image(name, read_only=True) as image:
                return name, snapshots(image)
        except errors.NotFound:
            continue
    return None


def snapshots(image: Any) -> list[str]:
    """Return the names of the snapshots of an open image, oldest first."""
    return [each['name'] for each in sorted(images.snapshots(image), key=lambda each: each['id'])]


def snapshot_of(backup: objects.Backup, found: list[str]) -> str | None:
    """Return the snapshot of a backup among those of its image."""
    return next((name for name in found if names.owner(name) == backup.id), None)


def locate(pool: Pool, backup: objects.Backup) -> tuple[str, str | None]:
    """Return the image and the snapshot with the data of a complete backup. The original makes no
    snapshot of volumes that are not on RBD: the image itself is the backup.

    :raises BackupObjectNotFound: it is not complete
    """
    found = find(pool, backup)
    if found is not None:
        image, present = found
        snapshot = snapshot_of(backup, present)
        if snapshot or image == names.own_image(backup) and not present:
            return image, snapshot
    raise exception.BackupObjectNotFound(
        where=f'{pool.name}/{names.images(backup)[0]}@backup.{backup.id}.snap.*')


# ------------------------------------------------------------------------- the facts of the volume
def write_metadata(pool: Pool, backup: objects.Backup, volume_meta: dict[str, Any]) -> None:
    """Write what a backup knows of its volume."""
    content = json.dumps({'version': VOLUME_META_VERSION, **volume_meta}).encode()
    calls.make('Ioctx.write_full', pool.ioctx.write_full, names.metadata(backup), content)


def has_metadata(pool: Pool, backup: objects.Backup) -> bool:
    """Return whether the store knows anything of the volume of a backup."""
    try:
        calls.make('Ioctx.stat', pool.ioctx.stat, names.metadata(backup))
    except errors.NotFound:
        return False
    return True


def read_metadata(pool: Pool, backup: objects.Backup) -> dict[str, Any]:
    """Return what a backup knows of its volume, which may be nothing.

    :raises BackupDataError: it is not what is expected
    """
    name = names.metadata(backup)
    try:
        content = calls.make('Ioctx.read', pool.ioctx.read, name, _META_BYTES)
    except errors.NotFound:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise exception.BackupDataError(where=f'{pool.name}/{name}',
                                        reason='it is not a JSON object')
    return found


def remove_metadata(pool: Pool, backup: objects.Backup) -> None:
    """Remove the facts of the volume; missing ones are no error."""
    with contextlib.suppress(errors.NotFound):
        calls.make('Ioctx.remove_object', pool.ioctx.remove_object, names.metadata(backup))
