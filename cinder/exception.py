# SPDX-License-Identifier: Apache-2.0
"""Every error of the service: its text, its HTTP status and whether a client may read the text.

Raised where the trouble is found; turned into an answer in one place only,
cinder.api.middleware.fault.
"""
from oslo_concurrency import processutils

from cinder.i18n import _

ProcessExecutionError = processutils.ProcessExecutionError


class CinderException(Exception):
    """Base of all: `message` is a template that the keyword arguments fill.

    :param message: a text to use instead of the template.
    :param kwargs: values for the template; also kept as `self.kwargs`.
    """

    message = _('An unexpected error occurred.')
    code = 500
    safe = False
    headers: dict[str, str] = {}

    def __init__(self, message: object = None, **kwargs: object) -> None:
        self.kwargs = kwargs
        super().__init__(str(message) if message is not None else self.message % kwargs)

    @property
    def msg(self) -> str:
        return str(self.args[0])


def is_mistake(exc: BaseException) -> bool:
    """Whether the caller has to mend it: for the operator a line, and no traceback."""
    return isinstance(exc, CinderException) and exc.safe and exc.code < 500


# ---------------------------------------------------------------- the caller asked wrongly: 400
class Invalid(CinderException):
    message = _('Unacceptable parameters.')
    code = 400
    safe = True


class InvalidInput(Invalid):
    message = _('Invalid input: %(reason)s')


class InvalidParameterValue(Invalid):
    message = _('Invalid value: %(err)s')


class InvalidVolume(Invalid):
    message = _('Invalid volume: %(reason)s')


class InvalidSnapshot(Invalid):
    message = _('Invalid snapshot: %(reason)s')


class InvalidAttachment(Invalid):
    message = _('Invalid attachment: %(reason)s')


class InvalidVolumeType(Invalid):
    message = _('Invalid volume type: %(reason)s')


class InvalidGroup(Invalid):
    message = _('Invalid group: %(reason)s')


class InvalidGroupSnapshot(Invalid):
    message = _('Invalid group snapshot: %(reason)s')


class GroupTypeInUse(Invalid):
    message = _('Group type %(group_type_id)s is in use by groups: they have to be deleted first.')


class InvalidHost(Invalid):
    message = _('Invalid host: %(reason)s')


class InvalidAvailabilityZone(Invalid):
    message = _("Invalid input: availability zone '%(az)s' is unknown or has no service up.")


class InvalidApiVersionString(Invalid):
    message = _("API version '%(version)s' is not of the form MAJOR.MINOR.")


class InvalidGlobalAPIVersion(Invalid):
    message = _('Version %(req_ver)s is not supported by the API; '
                'the lowest is %(min_ver)s, the highest %(max_ver)s.')
    code = 406


class InvalidContentType(Invalid):
    message = _('Content type %(content_type)s is not supported: a body has to be JSON, with the '
                'header Content-Type: application/json.')
    code = 415


class MissingContentType(Invalid):
    message = _('The Content-Type header is missing: a body has to be JSON, with the header '
                'Content-Type: application/json.')
    code = 415


class VolumeTypeInUse(Invalid):
    message = _('Volume type %(volume_type_id)s is in use by volumes: they need another type, '
                'or have to be deleted, first.')


class VolumeTypeDefaultDeletionError(Invalid):
    message = _('Volume type %(volume_type_id)s is a default type and cannot be deleted.')


class QoSSpecsInUse(Invalid):
    message = _('QoS specs %(specs_id)s are tied to volume types.')


class InvalidAuthKey(Invalid):
    message = _('The key does not open volume transfer %(transfer_id)s.')


# ------------------------------------------------------------------- not allowed: 401, 403
class NotAuthorized(CinderException):
    message = _('Not authorized.')
    code = 403
    safe = True


class PolicyNotAuthorized(NotAuthorized):
    message = _('Policy does not allow %(action)s to be performed.')


# --------------------------------------------------------------------------- no such thing: 404
class NotFound(CinderException):
    message = _('The resource could not be found.')
    code = 404
    safe = True


class VersionNotFoundForAPIMethod(NotFound):
    message = _('The resource could not be found.')


class VolumeNotFound(NotFound):
    message = _('Volume %(volume_id)s could not be found.')


class SnapshotNotFound(NotFound):
    message = _('Snapshot %(snapshot_id)s could not be found.')


class VolumeAttachmentNotFound(NotFound):
    message = _('Volume attachment %(attachment_id)s could not be found.')


class VolumeTypeNotFound(NotFound):
    message = _('Volume type %(volume_type_id)s could not be found.')


class VolumeTypeNotFoundByName(VolumeTypeNotFound):
    message = _('Volume type with name %(volume_type_name)s could not be found.')


class VolumeTypeExtraSpecsNotFound(NotFound):
    message = _('Volume type %(volume_type_id)s has no extra spec with key '
                '%(extra_specs_key)s.')


class VolumeTypeAccessNotFound(NotFound):
    message = _('Project %(project_id)s has no access to volume type %(volume_type_id)s.')


class VolumeTypeEncryptionNotFound(NotFound):
    message = _('Volume type %(type_id)s has no encryption settings.')


class VolumeMetadataNotFound(NotFound):
    message = _('Volume %(volume_id)s has no metadata with key %(metadata_key)s.')


class SnapshotMetadataNotFound(NotFound):
    message = _('Snapshot %(snapshot_id)s has no metadata with key %(metadata_key)s.')


class GlanceMetadataNotFound(NotFound):
    message = _('Volume %(id)s has no image metadata with key %(key)s.')


class MessageNotFound(NotFound):
    message = _('Message %(message_id)s could not be found.')


class MarkerNotFound(NotFound):
    message = _('Marker %(marker)s could not be found.')


class ServiceNotFound(NotFound):
    message = _('Service %(service_id)s could not be found.')


class ServiceHostNotFound(ServiceNotFound):
    message = _('No service %(binary)s on host %(host)s was found.')


class ClusterNotFound(NotFound):
    message = _('Cluster %(id)s could not be found.')


class HostNotFound(NotFound):
    message = _('Host %(host)s could not be found.')


class GroupNotFound(NotFound):
    message = _('Group %(group_id)s could not be found.')


class GroupSnapshotNotFound(NotFound):
    message = _('Group snapshot %(group_snapshot_id)s could not be found.')


class GroupTypeNotFound(NotFound):
    message = _('Group type %(group_type_id)s could not be found.')


class GroupTypeSpecsNotFound(NotFound):
    message = _('Group type %(group_type_id)s has no group spec with key %(group_specs_key)s.')


class ExtensionNotFound(NotFound):
    message = _('Extension %(alias)s could not be found.')


class ImageNotFound(NotFound):
    message = _('Image %(image_id)s could not be found.')


class OperationNotFound(NotFound):
    message = _('Operation %(operation_id)s could not be found.')


class QoSSpecsNotFound(NotFound):
    message = _('QoS specs %(specs_id)s could not be found.')


class QoSSpecsKeyNotFound(NotFound):
    message = _('QoS specs %(specs_id)s have no key %(specs_key)s.')


class ProjectNotFound(NotFound):
    message = _('Project %(project_id)s could not be found.')


class DefaultTypeNotFound(NotFound):
    message = _('Project %(project_id)s has no default volume type of its own.')


class TransferNotFound(NotFound):
    message = _('Volume transfer %(transfer_id)s could not be found.')


# ---------------------------------------------------------------------------- conflicts: 409, 412
class Conflict(CinderException):
    message = _('The request conflicts with the present state.')
    code = 409
    safe = True


class VolumeTypeExists(Conflict):
    message = _('Volume type %(id)s already exists.')


class GroupTypeExists(Conflict):
    message = _('Group type %(id)s already exists.')


class VolumeTypeAccessExists(Conflict):
    message = _('Project %(project_id)s already has access to volume type %(volume_type_id)s.')


class QoSSpecsExists(Conflict):
    message = _('QoS specs %(specs_id)s already exist.')


class ConflictingVolumeState(Conflict):
    message = _('Invalid volume: %(reason)s')


class ResourceBusy(Conflict):
    message = _('%(resource)s is in use by an operation that is under way; try again when it has '
                'ended.')


class ConflictNovaUsingAttachment(Conflict):
    message = _('Server %(instance_id)s uses the attachment; detach the volume '
                'through the compute service.')


class PreconditionFailed(CinderException):
    message = _('The metadata was changed meanwhile.')
    code = 412
    safe = True


# ------------------------------------------------------------------------------------ quota: 413
class QuotaError(CinderException):
    """A quota would be overrun; the text starts with the class name, as clients know it."""

    message = _('Quota exceeded.')
    code = 413
    safe = True
    headers: dict[str, str] = {'Retry-After': '0'}


class VolumeLimitExceeded(QuotaError):
    message = _("VolumeLimitExceeded: Maximum number of volumes allowed (%(allowed)d) "
                "exceeded for quota '%(name)s'.")


class SnapshotLimitExceeded(QuotaError):
    message = _('SnapshotLimitExceeded: Maximum number of snapshots allowed (%(allowed)d) '
                'exceeded.')


class GroupLimitExceeded(QuotaError):
    message = _('GroupLimitExceeded: Maximum number of groups allowed (%(allowed)d) exceeded.')


class VolumeSizeExceedsAvailableQuota(QuotaError):
    message = _("VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds the allowed "
                "quota '%(name)s'. Requested %(requested)sG, the quota is %(quota)sG and "
                "%(consumed)sG is in use.")


class VolumeSizeExceedsLimit(QuotaError):
    message = _('VolumeSizeExceedsLimit: Requested volume size %(size)dG exceeds the maximum '
                'allowed limit %(limit)dG.')


class TooManyRequests(CinderException):
    """:param seconds: until the next request is taken."""

    message = _('Too many requests were sent; the next is taken in %(seconds)d s.')
    code = 429
    safe = True

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds=seconds)
        self.headers = {'Retry-After': str(seconds)}


# ------------------------------------------------------------------------------- not now: 501, 503
class ServiceUnavailable(CinderException):
    message = _('Service is unavailable at this time.')
    code = 503
    safe = True
    headers: dict[str, str] = {'Retry-After': '5'}


class PolicyUndecided(ServiceUnavailable):
    message = _('Whether policy allows %(action)s cannot be found out at this time.')


class BackendSilent(CinderException):
    message = _('The volume service on %(host)s does not answer, or its back end does not work.')
    code = 502
    safe = True


# ------------------------------------------------------------------ inside the service: 500
class InvalidConfigurationValue(CinderException):
    message = _('Value "%(value)s" is not valid for configuration option "%(option)s".')


class InvalidPolicyFile(CinderException):
    message = _('The policy file %(path)s is broken: %(reason)s.')


class NoValidBackend(CinderException):
    message = _('No valid backend was found. %(reason)s')


class OperationLost(CinderException):
    message = _('Operation %(operation_id)s is held by another worker, or done.')


class NotYet(CinderException):
    """The operation waits for somebody else: it goes back to the journal, which no attempt counts
    and no failure is.

    :param seconds: before which nobody looks again
    :param reason: what it waits for, after 'waits for'
    """

    message = _('It waits for %(reason)s.')

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason=reason)
        self.seconds, self.reason = seconds, reason


class TooManyAttempts(CinderException):
    message = _('The work was interrupted %(attempts)d times; it is not tried again.')
    safe = True


class VolumeBackendAPIException(CinderException):
    message = _('Bad or unexpected response from the storage backend: %(data)s')


class VolumeDriverException(CinderException):
    message = _('The volume driver reported an error: %(message)s')


class BackendUnresponsive(VolumeBackendAPIException):
    """What was asked of the storage may still happen. `busy`: it answers others meanwhile."""

    message = _('The backend does not answer: %(data)s')
    busy = False


class InsufficientFreeSpace(VolumeBackendAPIException):
    message = _('The backend has too little room: %(data)s')


class VolumeIsBusy(CinderException):
    message = _('Volume %(volume_name)s is busy: %(reason)s')


class SnapshotIsBusy(CinderException):
    message = _('Snapshot %(snapshot_name)s is busy: %(reason)s')


class DriverNotInitialized(ServiceUnavailable):
    message = _('The volume driver is not ready.')


class LockCreationFailed(ServiceUnavailable):
    """It says nothing about the work at hand, which is to be done again."""

    message = _('Lock %(name)s could not be made: %(reason)s')
    safe = False


class LockTimeout(LockCreationFailed):
    message = _('Lock %(name)s was held by somebody else for too long.')


class LockLost(OperationLost, ServiceUnavailable):
    """What is done under the lock stops; an operation goes back to the journal."""

    message = _('Lock %(name)s may be held by somebody else by now.')
    safe = False


class ServiceTooOld(CinderException):
    message = _('A service of this deployment is too old for this request.')


class CappedVersionUnknown(CinderException):
    message = _('Object history has no version %(version)s; is a newer release running '
                'in this deployment?')


class PeerFailed(CinderException):
    """An error of another service that cannot be sent as it is; its log has the rest."""

    message = _('The service failed with %(kind)s: %(text)s')


class ComputeRefused(Invalid):
    message = _('The compute service refuses to copy the volume.')


class TooManyCalls(ServiceUnavailable):
    message = _('The volume service answers as many calls as it may; try again in a moment.')


class RPCTimeout(ServiceUnavailable):
    message = _('The volume service did not answer in time.')


class DatabaseTrouble(ServiceUnavailable):
    """It says nothing about the work at hand, which is to be done again."""


class DatabaseUnavailable(DatabaseTrouble):
    message = _('The database does not answer at this time.')


class DatabaseBusy(DatabaseTrouble):
    message = _('The database is too busy at this time.')


class CommitUnknown(DatabaseTrouble):
    message = _('The connection to the database was lost at the commit; whether the request took '
                'effect shows when it is looked up.')


class VolumeTypeEncryptionExists(Invalid):
    message = _('Volume type %(type_id)s has encryption settings already.')


class ManageExistingInvalidReference(Invalid):
    message = _('The reference %(existing_ref)s cannot be taken over: %(reason)s')


class ManageExistingAlreadyManaged(Invalid):
    message = _('%(volume_ref)s cannot be taken over: it is managed already.')


class InvalidBackup(Invalid):
    message = _('Invalid backup: %(reason)s')


class BackupNotFound(NotFound):
    message = _('Backup %(backup_id)s could not be found.')


class BackupServiceNotFound(ServiceNotFound):
    message = _('No backup service that is enabled and up could be found.')


class BackupServiceUnavailable(ServiceUnavailable):
    message = _('No backup service that is enabled and up could be found.')


class ForcedDeletionUnsupported(Invalid):
    message = _('The backup driver cannot delete backups by force.')
    code = 405


class BackupLimitExceeded(QuotaError):
    message = _('BackupLimitExceeded: Maximum number of backups allowed (%(allowed)d) exceeded.')


class VolumeBackupSizeExceedsAvailableQuota(QuotaError):
    message = _('VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds the allowed '
                'backup gigabytes quota. Requested %(requested)sG, the quota is %(quota)sG and '
                '%(consumed)sG is in use.')


class KeyManagerUnavailable(ServiceUnavailable):
    message = _('The key manager cannot be used at this time.')


class NoImageService(Invalid):
    message = _('No image service is set up.')


class ImageUnacceptable(Invalid):
    message = _('Image %(image_id)s cannot be used: %(reason)s')


class ImageNameAmbiguous(Conflict):
    message = _("Multiple matches found for '%(name)s', use an ID to be more specific: %(ids)s")


class ImageConflict(Conflict):
    message = _('The image service cannot do that now: %(reason)s')


class ImageLimitExceeded(QuotaError):
    message = _('The image service takes no more: %(reason)s')


class ImageServiceUnavailable(ServiceUnavailable):
    message = _('The image service cannot be used at this time.')


class NoRoomForConversion(CinderException):
    message = _('The volume service has too little room to convert the image.')
    safe = True


# What ends the work on an operation without failing it, and says nothing of its storage.
INTERRUPTED = (OperationLost, NotYet, LockCreationFailed, DatabaseTrouble)
# The same with a storage that does not answer: the work goes on later, or elsewhere.
UNFINISHED = (*INTERRUPTED, BackendUnresponsive)
