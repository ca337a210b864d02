# SPDX-License-Identifier: Apache-2.0
"""Rules of POST /volumes/{volume_id}/action; the path has the action key in parentheses."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, rule

EXTEND = 'volume:extend'
EXTEND_ATTACHED = 'volume:extend_attached_volume'
REVERT = 'volume:revert_to_snapshot'
RETYPE = 'volume:retype'
UPDATE_READONLY = 'volume:update_readonly_flag'
REIMAGE = 'volume:reimage'
REIMAGE_RESERVED = 'volume:reimage_reserved'

ATTACH = 'volume_extension:volume_actions:attach'
DETACH = 'volume_extension:volume_actions:detach'
RESERVE = 'volume_extension:volume_actions:reserve'
UNRESERVE = 'volume_extension:volume_actions:unreserve'
BEGIN_DETACHING = 'volume_extension:volume_actions:begin_detaching'
ROLL_DETACHING = 'volume_extension:volume_actions:roll_detaching'
INITIALIZE = 'volume_extension:volume_actions:initialize_connection'
TERMINATE = 'volume_extension:volume_actions:terminate_connection'
UPLOAD_IMAGE = 'volume_extension:volume_actions:upload_image'
UPLOAD_PUBLIC = 'volume_extension:volume_actions:upload_public'

RESET_STATUS = 'volume_extension:volume_admin_actions:reset_status'
FORCE_DELETE = 'volume_extension:volume_admin_actions:force_delete'
FORCE_DETACH = 'volume_extension:volume_admin_actions:force_detach'
MIGRATE = 'volume_extension:volume_admin_actions:migrate_volume'
MIGRATE_COMPLETION = 'volume_extension:volume_admin_actions:migrate_volume_completion'
EXTEND_COMPLETION = 'volume_extension:volume_admin_actions:extend_volume_completion'

SET_IMAGE_METADATA = 'volume_extension:volume_image_metadata:set'
REMOVE_IMAGE_METADATA = 'volume_extension:volume_image_metadata:remove'

# (rule, check, description, action key)
_TABLE = (
    (EXTEND, MEMBER, 'Extend a volume.', 'os-extend'),
    (EXTEND_ATTACHED, MEMBER, 'Extend a volume that is in use.', 'os-extend'),
    (REVERT, MEMBER, 'Revert a volume to its newest snapshot.', 'revert'),
    (RETYPE, MEMBER, 'Change the type of a volume.', 'os-retype'),
    (UPDATE_READONLY, MEMBER, 'Make a volume read-only or writable.', 'os-update_readonly_flag'),
    (REIMAGE, MEMBER, 'Overwrite a volume with an image.', 'os-reimage'),
    (REIMAGE_RESERVED, MEMBER, 'Overwrite a reserved volume with an image.', 'os-reimage'),
    (ATTACH, MEMBER, 'Record the attachment of a volume.', 'os-attach'),
    (DETACH, MEMBER, 'Delete the record of an attachment.', 'os-detach'),
    (RESERVE, MEMBER, 'Reserve a volume for an attachment.', 'os-reserve'),
    (UNRESERVE, MEMBER, 'Cancel a reservation.', 'os-unreserve'),
    (BEGIN_DETACHING, MEMBER, 'Set the status of a volume to detaching.', 'os-begin_detaching'),
    (ROLL_DETACHING, MEMBER, 'Set the status of a volume back to in-use.', 'os-roll_detaching'),
    (INITIALIZE, MEMBER, 'Export a volume to a host.', 'os-initialize_connection'),
    (TERMINATE, MEMBER, 'End the export of a volume.', 'os-terminate_connection'),
    (UPLOAD_IMAGE, MEMBER, 'Upload a volume to a new image.', 'os-volume_upload_image'),
    (UPLOAD_PUBLIC, ADMIN, 'Upload a volume to a public image.', 'os-volume_upload_image'),
    (RESET_STATUS, ADMIN, 'Reset the statuses of a volume.', 'os-reset_status'),
    (FORCE_DELETE, ADMIN, 'Delete a volume in any status.', 'os-force_delete'),
    (FORCE_DETACH, ADMIN, 'Detach a volume without the cooperation of its host.',
     'os-force_detach'),
    (MIGRATE, ADMIN, 'Migrate a volume to another back end.', 'os-migrate_volume'),
    (MIGRATE_COMPLETION, ADMIN, 'Complete the migration of a volume.',
     'os-migrate_volume_completion'),
    (EXTEND_COMPLETION, ADMIN, 'Complete an extension that waited for the compute service.',
     'os-extend_volume_completion'),
    (SET_IMAGE_METADATA, MEMBER, 'Set image metadata of a volume.', 'os-set_image_metadata'),
    (REMOVE_IMAGE_METADATA, MEMBER, 'Delete a key of the image metadata of a volume.',
     'os-unset_image_metadata'),
)
# Names of rules before Xena, if they differ; see base.rule().
_WAS = {REIMAGE: None, REIMAGE_RESERVED: None,
        SET_IMAGE_METADATA: 'volume_extension:volume_image_metadata',
        REMOVE_IMAGE_METADATA: 'volume_extension:volume_image_metadata'}
RULES = [rule(name, who, what, [('POST', f'/volumes/{{volume_id}}/action ({key})')],
              was=_WAS.get(name, ''))
         for name, who, what, key in _TABLE]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
