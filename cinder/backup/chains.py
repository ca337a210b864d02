# SPDX-License-Identifier: Apache-2.0
"""Chains: a backup with those that it builds on."""
from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import backups as backups_db


def of(ctxt: RequestContext, backup: objects.Backup, service: str) -> list[objects.Backup]:
    """Return the backups from the full one to this one.

    :param service: class path of the driver that must have them
    :raises InvalidBackup: one of them is not complete, or in another store.
    """
    chain = [backup]
    while chain[0].parent_id:
        child, known = chain[0], {each.id for each in chain}
        try:
            parent = backups_db.get(ctxt.elevated(), child.parent_id)
        except exception.BackupNotFound as exc:
            raise exception.InvalidBackup(
                reason=f'backup {child.id} needs backup {child.parent_id}, which does not '
                       f'exist') from exc
        if parent.status not in ('available', 'restoring') or parent.id in known:
            raise exception.InvalidBackup(
                reason=f'backup {child.id} needs backup {parent.id}, which is in status '
                       f'{parent.status}; expected available')
        if parent.project_id != child.project_id:
            raise exception.InvalidBackup(
                reason=f'backup {child.id} needs backup {parent.id}, which belongs to another '
                       'project')
        if parent.service != service:
            raise exception.InvalidBackup(
                reason=f'backup {child.id} needs backup {parent.id}, which is in the store of '
                       f'driver {parent.service}; that of this service is {service}')
        chain.insert(0, parent)
    return chain
