# SPDX-License-Identifier: Apache-2.0
"""The SQL of volume transfers: offers of a volume to the project that has the key."""
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception
from cinder.context import RequestContext
from cinder.db import changes, filters, models, rows, session

_T = models.Transfer.__table__
_COLUMNS = (*(_T.c[name] for name in (
    'id', 'volume_id', 'display_name', 'no_snapshots', 'source_project_id',
    'destination_project_id', 'accepted', 'created_at', 'updated_at')),
    # The project that can see the transfer, under the name that policies use.
    _T.c.source_project_id.label('project_id'))
_OWN = {'visible': _T.c.source_project_id == sa.bindparam('project_id'),
        'aliases': {'name': 'display_name', 'project_id': 'source_project_id'}}
_transfers = rows.Rows(rows.Errors(exception.TransferNotFound, 'transfer_id'),
                       filters.Listing(_T, _COLUMNS, **_OWN))
_WHOLE = filters.Listing(_T, (*_COLUMNS, _T.c.salt, _T.c.crypt_hash), **_OWN)
list_rows = _transfers.list_rows
get_row = _transfers.get_row


def get_with_secret(ctxt: RequestContext, transfer_id: str) -> dict:
    """Return a transfer with `salt` and `crypt_hash`.

    :raises TransferNotFound: it does not exist, or belongs to another project.
    """
    return _transfers.read_row(ctxt, _WHOLE, transfer_id)


@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object]) -> dict:
    """Insert a transfer; return all its columns."""
    with session.writer(ctxt) as conn:
        return changes.insert(conn, _T, changes.with_id(values))


@session.retry_on_deadlock
def accept(ctxt: RequestContext, transfer_id: str, project_id: str) -> None:
    """Finish a transfer that a project accepts.

    :raises TransferNotFound: another request has finished it.
    """
    if not changes.soft_delete(ctxt, _T, (), {'id': transfer_id}, accepted=True,
                               destination_project_id=project_id):
        raise exception.TransferNotFound(transfer_id=transfer_id)


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, transfer_id: str) -> None:
    """Delete a transfer that was not accepted.

    :raises TransferNotFound: another request has finished it.
    """
    if not changes.soft_delete(ctxt, _T, (), {'id': transfer_id}):
        raise exception.TransferNotFound(transfer_id=transfer_id)


@session.retry_on_deadlock
def destroy_for_volume(ctxt: RequestContext, volume_id: str) -> None:
    """Delete the open transfer of a volume, if there is one."""
    changes.soft_delete(ctxt, _T, (), {'volume_id': volume_id})
