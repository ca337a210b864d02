# SPDX-License-Identifier: Apache-2.0
"""Errors of quotas; each text starts with the name of the class, which clients know."""
from cinder.exception.base import QuotaError
from cinder.i18n import _


class VolumeLimitExceeded(QuotaError):
    message = _("VolumeLimitExceeded: Maximum number of volumes allowed (%(allowed)d) "
                "exceeded for quota '%(name)s'.")


class SnapshotLimitExceeded(QuotaError):
    message = _('SnapshotLimitExceeded: Maximum number of snapshots allowed (%(allowed)d) '
                'exceeded.')


class GroupLimitExceeded(QuotaError):
    message = _('GroupLimitExceeded: Maximum number of groups allowed (%(allowed)d) exceeded.')


class BackupLimitExceeded(QuotaError):
    message = _('BackupLimitExceeded: Maximum number of backups allowed (%(allowed)d) exceeded.')


class VolumeSizeExceedsAvailableQuota(QuotaError):
    message = _("VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds the allowed "
                "quota '%(name)s'. Requested %(requested)sG, the quota is %(quota)sG and "
                "%(consumed)sG is in use.")


class VolumeBackupSizeExceedsAvailableQuota(QuotaError):
    message = _('VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds the allowed '
                'backup gigabytes quota. Requested %(requested)sG, the quota is %(quota)sG and '
                '%(consumed)sG is in use.')


class VolumeSizeExceedsLimit(QuotaError):
    message = _('VolumeSizeExceedsLimit: Requested volume size %(size)dG exceeds the maximum '
                'allowed limit %(limit)dG.')
