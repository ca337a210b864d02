# SPDX-License-Identifier: Apache-2.0
"""Errors of backups and of the backup service."""
from cinder.exception.base import CinderException, Invalid, NotFound, ServiceUnavailable
from cinder.exception.services import ServiceNotFound
from cinder.i18n import _


class InvalidBackup(Invalid):
    message = _('Invalid backup: %(reason)s')


class BackupNotFound(NotFound):
    message = _('Backup %(backup_id)s could not be found.')


class BackupServiceNotFound(ServiceNotFound):
    message = _('No backup service that is enabled and up could be found.')


class BackupServiceUnavailable(ServiceUnavailable):
    message = _('No backup service that is enabled and up could be found.')


class ForcedDeletionUnsupported(Invalid):
    message = _('The backup driver does not support the forced deletion of backups.')
    code = 405


class InvalidBackupContainer(Invalid):
    message = _('Invalid backup container %(container)r: %(reason)s')


class BackupStoreError(CinderException):
    """A call of a backup store failed. `where` is the container and the object, with the offset in
    the object where one is known; the subclasses tell what an operator can do."""

    message = _('The backup store failed at %(where)s: %(reason)s')


class BackupStoreUnavailable(BackupStoreError):
    """The store does not answer, or asks for less load; a later call may succeed."""

    message = _('The backup store does not answer at %(where)s: %(reason)s')


class BackupStoreFull(BackupStoreError):
    message = _('The backup store has no space for %(where)s: %(reason)s')


class BackupStoreRefused(BackupStoreError):
    """The credentials or permissions do not suffice."""

    message = _('The backup store refuses access to %(where)s: %(reason)s')


class BackupObjectNotFound(BackupStoreError):
    message = _('The backup store has no object %(where)s')


class BackupDataError(CinderException):
    """What the store returned is not what was written, or not a backup in a known format."""

    message = _('The backup data at %(where)s cannot be used: %(reason)s')


class BackupVolumeError(CinderException):
    """The volume of a backup cannot be read, or that of a restore not be written."""

    message = _('The volume failed at offset %(offset)s: %(reason)s')


class BackupVolumeUnavailable(BackupVolumeError):
    """The storage of the volume does not answer; a later attempt may succeed."""


class BackupSpoolError(CinderException):
    """The temporary files of a backup service cannot be used; an operator can free space."""

    message = _('The backup service cannot use temporary files in %(folder)s: %(reason)s')
