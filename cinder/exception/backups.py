# SPDX-License-Identifier: Apache-2.0
"""Errors of backups and of the backup service."""
from cinder.exception.base import Invalid, NotFound, ServiceUnavailable
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
