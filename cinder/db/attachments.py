# SPDX-License-Identifier: Apache-2.0
"""The SQL of volume attachments."""
import functools
from collections.abc import Mapping

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, query, resource, session
from cinder.objects import states

_T = models.VolumeAttachment.__table__
_VOLUMES = models.Volume.__table__
_COLUMNS = tuple(_T.c)
_BRIEF = tuple(_T.c[name] for name in ('id', 'project_id', 'volume_id', 'instance_uuid',
                                       'attach_status'))
_SHOWN = tuple(_T.c[name] for name in ('id', 'volume_id', 'instance_uuid', 'attached_host',
                                       'mountpoint', 'attach_time', 'attach_mode',
                                       'attach_status'))
_ATTACHED = sa.select(*_SHOWN).where(
    functions.among(_T.c.volume_id, sa.bindparam('ids')), _T.c.deleted == sa.false(),
    _T.c.attach_status == 'attached').order_by(_T.c.created_at, _T.c.id)
_ON_VOLUME = sa.select(*_COLUMNS).where(
    _T.c.volume_id == sa.bindparam('volume_id'), _T.c.deleted == sa.false()).order_by(
        _T.c.created_at, _T.c.id)
_CONNECTED = sa.select(_T.c.volume_id).where(
    _T.c.deleted == sa.false(), _T.c.connector.is_not(None))
_FILTERS = {'aliases': {'status': 'attach_status', 'instance_id': 'instance_uuid'}}
_attachments = resource.Resource(
    objects.VolumeAttachment,
    resource.Errors(exception.VolumeAttachmentNotFound, 'attachment_id',
                    exception.InvalidAttachment),
    filters.Listing(_T, _BRIEF, **_FILTERS), filters.Listing(_T, _COLUMNS, **_FILTERS))
list_rows = _attachments.list_rows
get_row = _attachments.get_row
get = _attachments.get


def for_volume(ctxt: RequestContext, volume_id: str) -> list[objects.VolumeAttachment]:
    """Return the attachments of a volume, oldest first."""
    with session.reader(ctxt) as conn:
        return list_on_connection(conn, volume_id)


def connected_volumes(ctxt: RequestContext) -> set[str]:
    """Return the ids of the volumes that have an attachment with a connector."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(_CONNECTED).scalars())


def list_of_deleted_volumes(ctxt: RequestContext, volume_ids: sa.Select) -> list[tuple[str, str]]:
    """Return (id, volume id) of the attachments whose volume is deleted.

    :param volume_ids: SELECT of the volumes to check, including deleted ones.
    """
    with session.reader(ctxt) as conn:
        rows = conn.execute(_of_deleted(volume_ids)).all()
    return [(row.id, row.volume_id) for row in rows]


@functools.lru_cache(64)
def _of_deleted(volume_ids: sa.Select) -> sa.Select:
    return sa.select(_T.c.id, _T.c.volume_id).join(
        _VOLUMES, _VOLUMES.c.id == _T.c.volume_id).where(
            _T.c.deleted == sa.false(), _VOLUMES.c.deleted == sa.true(),
            _T.c.volume_id.in_(volume_ids)).order_by(_T.c.id)


def list_on_connection(conn: sa.Connection, volume_id: str) -> list[objects.VolumeAttachment]:
    """Return the result of for_volume() for a caller with an open connection."""
    rows = query.as_dicts(conn.execute(_ON_VOLUME, {'volume_id': volume_id}))
    return [objects.VolumeAttachment.from_row(row) for row in rows]


def finished_by_volume(conn: sa.Connection, ids: Mapping[str, str]) -> dict[str, list[dict]]:
    """Return volume id -> finished attachments, in the form of responses.

    :param ids: {'ids': the ids of the volumes, joined with commas}.
    """
    found: dict[str, list[dict]] = {}
    for row in query.as_dicts(conn.execute(_ATTACHED, ids)):
        found.setdefault(row['volume_id'], []).append(row)
    return found


def create(ctxt: RequestContext, values: Mapping[str, object]) -> objects.VolumeAttachment:
    """Insert an attachment in the project of its volume."""
    owner = sa.select(_VOLUMES.c.project_id).where(
        _VOLUMES.c.id == values['volume_id']).scalar_subquery()
    return _attachments.insert(ctxt, {**values, 'project_id': owner})


@session.retry_on_deadlock
def update(ctxt: RequestContext, attachment_id: str, values: Mapping[str, object],
           expected: Mapping[str, object] | None = None) -> None:
    """Change columns.

    :param expected: values that the row must have, otherwise InvalidAttachment is raised.
    :raises VolumeAttachmentNotFound: the attachment does not exist.
    """
    if changes.compare_and_swap(ctxt, _T, attachment_id, expected or {}, values):
        return
    with session.reader(ctxt) as conn:
        status = conn.execute(sa.select(_T.c.attach_status).where(
            _T.c.id == attachment_id, _T.c.deleted == sa.false())).scalar()
    if status is None:
        raise exception.VolumeAttachmentNotFound(attachment_id=attachment_id)
    raise exception.InvalidAttachment(
        reason=f"attachment {attachment_id} is in status '{status}'")


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, attachment_id: str, unconnected: bool = False) -> bool:
    """Mark an attachment as deleted; return False if it was deleted already.

    :param unconnected: only delete a reservation; return False for another attachment.
    """
    return changes.soft_delete(ctxt, _T, _IS_UNCONNECTED if unconnected else (),
                               {'id': attachment_id}, attach_status='detached',
                               detach_time=session.utcnow()) == 1


_IS_UNCONNECTED = changes.Kept([
    _T.c.attach_status.in_(states.UNCONNECTED), _T.c.connector.is_(None),
    _T.c.connection_info.is_(None)])
