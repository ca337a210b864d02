# SPDX-License-Identifier: Apache-2.0
"""Rules of attachments. Passwords in the connection information have a rule of their own."""
from oslo_policy import policy

from cinder.policies.base import MEMBER, READER, rule

GET_ALL = 'volume:attachment_get_all'
GET = 'volume:attachment_get'
SEE_SECRETS = 'volume:attachment_secrets'
CREATE = 'volume:attachment_create'
UPDATE = 'volume:attachment_update'
DELETE = 'volume:attachment_delete'
COMPLETE = 'volume:attachment_complete'
MULTIATTACH_BOOTABLE = 'volume:multiattach_bootable_volume'

_ATTACHMENT = '/attachments/{attachment_id}'

RULES = [
    rule(GET_ALL, READER, 'List attachments.',
         [('GET', '/attachments'), ('GET', '/attachments/detail')]),
    rule(GET, READER, 'Show an attachment.', [('GET', _ATTACHMENT)]),
    rule(SEE_SECRETS, MEMBER, 'Include the passwords in the connection information of attachments; '
         'requests of services always include them.',
         [('GET', _ATTACHMENT), ('GET', '/attachments/detail')]),
    rule(CREATE, MEMBER, 'Reserve or connect a volume for a server.', [('POST', '/attachments')]),
    rule(UPDATE, MEMBER, 'Connect a reserved volume.', [('PUT', _ATTACHMENT)]),
    rule(DELETE, MEMBER, 'Disconnect a volume.', [('DELETE', _ATTACHMENT)]),
    rule(COMPLETE, MEMBER, 'Mark a volume as attached.',
         [('POST', f'{_ATTACHMENT}/action (os-complete)')]),
    rule(MULTIATTACH_BOOTABLE, MEMBER, 'Attach a bootable volume that is already in use.',
         [('POST', '/attachments')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
