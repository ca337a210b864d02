# SPDX-License-Identifier: Apache-2.0
"""Rules of attachments; reading them needs no more than to belong to their project."""
from oslo_policy import policy

from cinder.policies.base import MEMBER, rule

CREATE = 'volume:attachment_create'
UPDATE = 'volume:attachment_update'
DELETE = 'volume:attachment_delete'
COMPLETE = 'volume:attachment_complete'
MULTIATTACH_BOOTABLE = 'volume:multiattach_bootable_volume'

_ATTACHMENT = '/attachments/{attachment_id}'

RULES = [
    rule(CREATE, MEMBER, 'Reserve or connect a volume for a server.', [('POST', '/attachments')]),
    rule(UPDATE, MEMBER, 'Connect a reserved volume.', [('PUT', _ATTACHMENT)]),
    rule(DELETE, MEMBER, 'Disconnect a volume.', [('DELETE', _ATTACHMENT)]),
    rule(COMPLETE, MEMBER, 'Mark a volume as attached.',
         [('POST', f'{_ATTACHMENT}/action (os-complete)')]),
    rule(MULTIATTACH_BOOTABLE, MEMBER, 'Attach a bootable volume that is in use already.',
         [('POST', '/attachments')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
