# SPDX-License-Identifier: Apache-2.0
"""Rules of backups and their actions."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, MEMBER, READER, rule

GET_ALL = 'backup:get_all'
GET = 'backup:get'
CREATE = 'backup:create'
UPDATE = 'backup:update'
DELETE = 'backup:delete'
RESTORE = 'backup:restore'
EXPORT = 'backup:export-import'
IMPORT = 'backup:backup-import'
SEE_PROJECT = 'backup:backup_project_attribute'
RESET_STATUS = 'volume_extension:backup_admin_actions:reset_status'
FORCE_DELETE = 'volume_extension:backup_admin_actions:force_delete'

_BACKUP = '/backups/{backup_id}'
_ACTION = f'{_BACKUP}/action'

RULES = [
    rule(GET_ALL, READER, 'List backups.', [('GET', '/backups'), ('GET', '/backups/detail')]),
    rule(GET, READER, 'Show a backup.', [('GET', _BACKUP)]),
    rule(CREATE, MEMBER, 'Back up a volume or snapshot.', [('POST', '/backups')]),
    rule(UPDATE, MEMBER, 'Change name, description or metadata of a backup.', [('PUT', _BACKUP)]),
    rule(DELETE, MEMBER, 'Delete a backup.', [('DELETE', _BACKUP)]),
    rule(RESTORE, MEMBER, 'Restore a backup to a volume.', [('POST', f'{_BACKUP}/restore')]),
    rule(EXPORT, ADMIN, 'Export the record of a backup.', [('GET', f'{_BACKUP}/export_record')]),
    rule(IMPORT, ADMIN, 'Import the record of a backup.', [('POST', '/backups/import_record')]),
    rule(SEE_PROJECT, ADMIN, 'Include the project and the user of a backup.',
         [('GET', _BACKUP), ('GET', '/backups/detail')]),
    rule(RESET_STATUS, ADMIN, 'Reset the status of a backup.',
         [('POST', f'{_ACTION} (os-reset_status)')]),
    rule(FORCE_DELETE, ADMIN, 'Delete a backup in any status.',
         [('POST', f'{_ACTION} (os-force_delete)')]),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
