# SPDX-License-Identifier: Apache-2.0
"""Rules of volumes, and of the fields of a volume that only some callers see."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'volume:get_all'
GET = 'volume:get'
CREATE = 'volume:create'
CREATE_FROM_IMAGE = 'volume:create_from_image'
MULTIATTACH = 'volume:multiattach'
UPDATE = 'volume:update'
DELETE = 'volume:delete'
FORCE_DELETE = 'volume:force_delete'
SEE_TENANT = 'volume_extension:volume_tenant_attribute'
SEE_MIGRATION = 'volume_extension:volume_mig_status_attribute'
SEE_HOST = 'volume_extension:volume_host_attribute'
SEE_IMAGE_METADATA = 'volume_extension:volume_image_metadata:show'

_VOLUME = '/volumes/{volume_id}'
_SEEN = [('GET', _VOLUME), ('GET', '/volumes/detail')]

_WAS = 'volume_extension:volume_image_metadata'

RULES = [
    rule(GET_ALL, READER, 'List and summarize volumes.',
         [('GET', '/volumes'), ('GET', '/volumes/detail'), ('GET', '/volumes/summary')]),
    rule(GET, READER, 'Show a volume.', [('GET', _VOLUME)]),
    rule(CREATE, MEMBER, 'Create a volume.', [('POST', '/volumes')]),
    rule(CREATE_FROM_IMAGE, MEMBER, 'Create a volume from an image.', [('POST', '/volumes')]),
    rule(MULTIATTACH, MEMBER, 'Create a volume of a multiattach type.',
         [('POST', '/volumes')]),
    rule(UPDATE, MEMBER, 'Change name, description, metadata or bootable flag of a volume.',
         [('PUT', _VOLUME), ('POST', f'{_VOLUME}/action (os-set_bootable)')]),
    rule(DELETE, MEMBER, 'Delete a volume.', [('DELETE', _VOLUME)]),
    rule(FORCE_DELETE, ADMIN, 'Delete a volume in any status.', [('DELETE', _VOLUME)]),
    rule(SEE_TENANT, READER, 'Include the project of a volume.', _SEEN),
    rule(SEE_MIGRATION, ADMIN, 'Include the migration status of a volume.', _SEEN),
    rule(SEE_HOST, ADMIN, 'Include the host of a volume.', _SEEN),
    rule(SEE_IMAGE_METADATA, READER, 'Include the image metadata of a volume.', _SEEN, was=_WAS),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
