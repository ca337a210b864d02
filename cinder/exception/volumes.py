# SPDX-License-Identifier: Apache-2.0
"""Errors of volumes, snapshots, attachments, transfers and managed resources."""
from cinder.exception.base import Conflict, Invalid, NotFound
from cinder.i18n import _


class InvalidVolume(Invalid):
    message = _('Invalid volume: %(reason)s')


class ConflictingVolumeState(Conflict):
    message = _('Invalid volume: %(reason)s')


class VolumeNotFound(NotFound):
    message = _('Volume %(volume_id)s could not be found.')


class VolumeMetadataNotFound(NotFound):
    message = _('Volume %(volume_id)s has no metadata with key %(metadata_key)s.')


class GlanceMetadataNotFound(NotFound):
    message = _('Volume %(id)s has no image metadata with key %(key)s.')


class InvalidSnapshot(Invalid):
    message = _('Invalid snapshot: %(reason)s')


class ConflictingSnapshotState(Conflict):
    message = _('Invalid snapshot: %(reason)s')


class SnapshotNotFound(NotFound):
    message = _('Snapshot %(snapshot_id)s could not be found.')


class SnapshotMetadataNotFound(NotFound):
    message = _('Snapshot %(snapshot_id)s has no metadata with key %(metadata_key)s.')


class InvalidAttachment(Invalid):
    message = _('Invalid attachment: %(reason)s')


class VolumeAttachmentNotFound(NotFound):
    message = _('Volume attachment %(attachment_id)s could not be found.')


class ConflictNovaUsingAttachment(Conflict):
    message = _('Server %(instance_id)s uses the attachment; detach the volume '
                'through the compute service.')


class ComputeRefused(Invalid):
    message = _('The compute service refused to copy the volume.')


class TransferNotFound(NotFound):
    message = _('Volume transfer %(transfer_id)s could not be found.')


class InvalidAuthKey(Invalid):
    message = _('The key for volume transfer %(transfer_id)s is wrong.')


class ManageExistingInvalidReference(Invalid):
    message = _('The reference %(existing_ref)s cannot be managed: %(reason)s')


class ManageExistingAlreadyManaged(Invalid):
    message = _('%(volume_ref)s cannot be managed: it is already managed.')


class ResourceBusy(Conflict):
    message = _('%(resource)s is in use by an operation in progress; try again when it has '
                'ended.')
