# SPDX-License-Identifier: Apache-2.0
"""Deletes the objects of a backup, and those of its unfinished writes. The prefix may come from an
imported record, so it is checked that the objects are those of this backup."""
from cinder import exception, fault_points, objects
from cinder.backup import driver as driver_api
from cinder.backup.chunked import metadata, names
from cinder.backup.chunked.metadata import Entry


def delete(driver: driver_api.BackupDriver, backup: objects.Backup) -> None:
    """Delete all objects of a backup, and its container if it has one of its own. What is not there
    is no error, so the call may be repeated.

    :raises InvalidBackup: the objects are those of another backup
    :raises BackupStoreError: the store failed
    """
    if not backup.container or not backup.service_metadata:
        return  # nothing was written
    prefix, last = backup.service_metadata, names.metadata(backup.service_metadata)
    _require_own(driver, backup)
    # The list comes last: it says whose objects these are.
    found = [name for name in driver.names(backup.container, prefix) if names.is_of(prefix, name)]
    for name in sorted(found, key=lambda name: name == last):
        with fault_points.around('backup.delete:object'):
            driver.delete(backup.container, name)
    driver.delete_container(backup.container)


def delete_rest(driver: driver_api.BackupDriver, backup: objects.Backup,
                entries: list[Entry]) -> None:
    """Delete what a complete backup does not have: records of what is done, and objects of writes
    that were interrupted."""
    prefix = backup.service_metadata
    kept = {entry.name for entry in entries} | {names.metadata(prefix), names.digests(prefix)}
    for name in driver.names(backup.container, prefix):
        if name not in kept and names.is_of(prefix, name):
            driver.delete(backup.container, name)


def _require_own(driver: driver_api.BackupDriver, backup: objects.Backup) -> None:
    """Let no record that names the prefix of another backup delete that one's objects."""
    if names.owner(backup.service_metadata):
        return
    try:
        metadata.read(driver, backup)
    except exception.BackupObjectNotFound:
        return
    except exception.BackupDataError as exc:
        raise exception.InvalidBackup(
            reason=f'the objects of {backup.container}/{backup.service_metadata} are not known to '
                   f'be those of backup {backup.id}, and stay: {exc}') from exc
