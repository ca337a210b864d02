# SPDX-License-Identifier: Apache-2.0
"""Rules of the trash, from which deleted volumes and snapshots come back; an extension of the API.
"""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'trash:get_all'
SEE_HOST = 'trash:host_attribute'
RESTORE_VOLUME = 'trash:restore_volume'
RESTORE_SNAPSHOT = 'trash:restore_snapshot'
PURGE = 'trash:purge'

RULES = [
    rule(GET_ALL, READER, 'List the deleted volumes and snapshots of the project that can be '
         'restored.', [('GET', '/trash')]),
    rule(SEE_HOST, ADMIN, 'See on which back end what is in the trash is.', [('GET', '/trash')],
         was=None),
    rule(RESTORE_VOLUME, MEMBER, 'Restore a deleted volume.',
         [('POST', '/volumes/{volume_id}/restore')]),
    rule(RESTORE_SNAPSHOT, MEMBER, 'Restore a deleted snapshot.',
         [('POST', '/snapshots/{snapshot_id}/restore')]),
    rule(PURGE, MEMBER, 'Remove a volume or snapshot from the trash for ever.',
         [('DELETE', '/trash/{resource_id}')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
