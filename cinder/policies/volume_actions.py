# SPDX-License-Identifier: Apache-2.0
"""Rules of POST /volumes/{volume_id}/action; a path tells the action key in brackets."""
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

# (rule, who, what it allows, action key)
_TABLE = (
    (EXTEND, MEMBER, 'Grow a volume.', 'os-extend'),
    (EXTEND_ATTACHED, MEMBER, 'Grow a volume that is in use.', 'os-extend'),
    (REVERT, MEMBER, 'Take a volume back to its newest snapshot.', 'revert'),
    (RETYPE, MEMBER, 'Change the type of a volume.', 'os-retype'),
    (UPDATE_READONLY, MEMBER, 'Make a volume read-only or writable.', 'os-update_readonly_flag'),
    (REIMAGE, MEMBER, 'Overwrite a volume with an image.', 'os-reimage'),
    (REIMAGE_RESERVED, MEMBER, 'Overwrite a reserved volume with an image.', 'os-reimage'),
    (ATTACH, MEMBER, 'Record that a volume was attached.', 'os-attach'),
    (DETACH, MEMBER, 'Drop the record of an attachment.', 'os-detach'),
    (RESERVE, MEMBER, 'Reserve a volume for an attachment.', 'os-reserve'),
    (UNRESERVE, MEMBER, 'Undo a reservation.', 'os-unreserve'),
    (BEGIN_DETACHING, MEMBER, 'Announce that a volume is detached.', 'os-begin_detaching'),
    (ROLL_DETACHING, MEMBER, 'Take that announcement back.', 'os-roll_detaching'),
    (INITIALIZE, MEMBER, 'Export a volume to a host.', 'os-initialize_connection'),
    (TERMINATE, MEMBER, 'End the export of a volume.', 'os-terminate_connection'),
    (UPLOAD_IMAGE, MEMBER, 'Copy a volume into a new image.', 'os-volume_upload_image'),
    (UPLOAD_PUBLIC, ADMIN, 'Copy a volume into a public image.', 'os-volume_upload_image'),
    (RESET_STATUS, ADMIN, 'Write the statuses of a volume.', 'os-reset_status'),
    (FORCE_DELETE, ADMIN, 'Delete a volume whatever its status is.', 'os-force_delete'),
    (FORCE_DETACH, ADMIN, 'Detach a volume without asking its host.', 'os-force_detach'),
    (MIGRATE, ADMIN, 'Move a volume to another back end.', 'os-migrate_volume'),
    (MIGRATE_COMPLETION, ADMIN, 'Finish the migration of a volume.',
     'os-migrate_volume_completion'),
    (EXTEND_COMPLETION, ADMIN, 'Finish a growth that waited for the compute service.',
     'os-extend_volume_completion'),
    (SET_IMAGE_METADATA, MEMBER, 'Set image metadata of a volume.', 'os-set_image_metadata'),
    (REMOVE_IMAGE_METADATA, MEMBER, 'Remove image metadata of a volume.',
     'os-unset_image_metadata'),
)
# Where it was another one before Xena; see base.rule().
_WAS = {REIMAGE: None, REIMAGE_RESERVED: None,
        SET_IMAGE_METADATA: 'volume_extension:volume_image_metadata',
        REMOVE_IMAGE_METADATA: 'volume_extension:volume_image_metadata'}
RULES = [rule(name, who, what, [('POST', f'/volumes/{{volume_id}}/action ({key})')],
              was=_WAS.get(name, ''))
         for name, who, what, key in _TABLE]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
