# SPDX-License-Identifier: Apache-2.0
"""Rules of the metadata of a volume."""
from oslo_policy import policy

from cinder.policies.base import MEMBER, READER, rule

GET = 'volume:get_volume_metadata'
CREATE = 'volume:create_volume_metadata'
UPDATE = 'volume:update_volume_metadata'
DELETE = 'volume:delete_volume_metadata'

_ALL = '/volumes/{volume_id}/metadata'
_ONE = f'{_ALL}/{{key}}'

RULES = [
    rule(GET, READER, 'Show the metadata or the image metadata of a volume.',
         [('GET', _ALL), ('GET', _ONE),
          ('POST', '/volumes/{volume_id}/action (os-show_image_metadata)')]),
    rule(CREATE, MEMBER, 'Add keys to the metadata of a volume.', [('POST', _ALL)]),
    rule(UPDATE, MEMBER, 'Replace the metadata of a volume, or one key of it.',
         [('PUT', _ALL), ('PUT', _ONE)]),
    rule(DELETE, MEMBER, 'Delete a key of the metadata of a volume.', [('DELETE', _ONE)]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
