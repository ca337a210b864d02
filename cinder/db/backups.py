# SPDX-License-Identifier: Apache-2.0
"""The SQL of backups: rows to render, objects to work with, and their changes of state."""
import datetime
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, functions, models, query, session, transitions
from cinder.objects import states

_T = models.Backup.__table__
_SIDE = models.BackupMetadata.__table__
_CHILD = _T.alias('child')
_BRIEF = (_T.c.id, _T.c.display_name)
_DETAIL = (
    *(_T.c[name] for name in (
        'id', 'project_id', 'user_id', 'volume_id', 'snapshot_id', 'parent_id', 'display_name',
        'display_description', 'size', 'status', 'fail_reason', 'availability_zone', 'container',
        'object_count', 'data_timestamp', 'encryption_key_id', 'created_at', 'updated_at')),
    sa.exists().where(_CHILD.c.parent_id == _T.c.id, _CHILD.c.deleted == sa.false()).label(
        'has_dependents'),
)
_FILTERS = {
    'aliases': {'name': 'display_name', 'description': 'display_description',
                'tenant_id': 'project_id'},
    'metadata': {'metadata': (_SIDE, _SIDE.c.backup_id)},
}
_LISTS = {False: filters.Listing(_T, _BRIEF, **_FILTERS),
          True: filters.Listing(_T, _DETAIL, **_FILTERS)}
_WHOLE = filters.Listing(_T, tuple(_T.c))
_METADATA = sa.select(_SIDE.c.backup_id, _SIDE.c.key, _SIDE.c.value).where(
    functions.among(_SIDE.c.backup_id, sa.bindparam('ids')))


# ------------------------------------------------------------------------------------- rows
def list_rows(ctxt: RequestContext, *, filters: Mapping[str, object] | None = None,
              limit: int | None = None, marker: str | None = None, offset: int = 0,
              sort: Sequence[tuple[str, str]] | None = None, all_tenants: bool = False,
              detail: bool = False, with_count: bool = False) -> query.Page:
    """A page of backups, newest first; see volumes.list_rows.

    :param detail: everything that an answer shows, else only id and display_name.
    """
    page = query.fetch(ctxt, _LISTS[detail], filters=filters, limit=limit, marker=marker,
                       offset=offset, sort=sort, all_tenants=all_tenants, with_count=with_count)
    if detail and page.records:
        with session.reader(ctxt) as conn:
            _fill(conn, page)
    return page


def get_row(ctxt: RequestContext, backup_id: str) -> dict:
    """A backup as list_rows(detail=True) gives it.

    :raises BackupNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _LISTS[True], backup_id)
        if not page.records:
            raise exception.BackupNotFound(backup_id=backup_id)
        _fill(conn, page)
    return page.rows[0]


def _fill(conn: sa.Connection, page: query.Page) -> None:
    pairs = conn.execute(_METADATA, {'ids': ','.join(page.ids)}).all()
    page.sides['metadata'] = (query.by_owner(pairs), dict)


# ---------------------------------------------------------------------------------- objects
def get(ctxt: RequestContext, backup_id: str) -> objects.Backup:
    """A backup with its metadata.

    :raises BackupNotFound: there is none, or it is another project's.
    """
    with session.reader(ctxt) as conn:
        page = query.one(ctxt, conn, _WHOLE, backup_id)
        if not page.records:
            raise exception.BackupNotFound(backup_id=backup_id)
        metadata = changes.pairs_of(conn, _SIDE, _SIDE.c.backup_id, backup_id)
    return objects.Backup.from_row(page.rows[0], metadata=metadata)


def newest_available(ctxt: RequestContext, project_id: str, volume_id: str,
                     before: datetime.datetime | None = None) -> objects.Backup | None:
    """The usable backup of a volume with the newest data, without metadata.

    :param project_id: whose backups count.
    :param before: only data older than this moment counts.
    """
    where = [_T.c.volume_id == volume_id, _T.c.deleted == sa.false(),
             _T.c.project_id == project_id, _T.c.status == 'available',
             _T.c.data_timestamp.is_not(None)]
    if before is not None:
        where.append(_T.c.data_timestamp < before)
    with session.reader(ctxt) as conn:
        row = conn.execute(sa.select(*_T.c).where(*where).order_by(
            _T.c.data_timestamp.desc(), _T.c.id.desc()).limit(1)).mappings().first()
    return objects.Backup.from_row(row) if row else None


def dependents(ctxt: RequestContext, backup_id: str, limit: int = 10) -> list[str]:
    """Ids of the backups that build on one; no more than `limit`."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_T.c.id).where(
            _T.c.parent_id == backup_id, _T.c.deleted == sa.false()).limit(limit)).scalars())


# ----------------------------------------------------------------------------------- writes
@session.retry_on_deadlock
def create(ctxt: RequestContext, values: Mapping[str, object],
           metadata: Mapping[str, str] | None = None) -> objects.Backup:
    """Insert a backup; an id is made unless the values hold one.

    Without a data_timestamp among the values it holds the data of this moment.
    """
    pairs = dict(metadata or {})
    with session.writer(ctxt) as conn:
        row = changes.insert(conn, _T, changes.with_id(
            {'data_timestamp': session.utcnow(), **values}))
        changes.add_pairs(conn, _SIDE, _SIDE.c.backup_id, row['id'], pairs)
    return objects.Backup.from_row(row, metadata=pairs)


@session.retry_on_deadlock
def import_row(ctxt: RequestContext, values: Mapping[str, object],
               metadata: Mapping[str, str] | None = None) -> objects.Backup:
    """Insert a backup under the id it had before, in place of a deleted row of that id.

    :raises InvalidBackup: a backup with that id exists.
    """
    with session.writer(ctxt) as conn:
        # What follows its row goes with it.
        conn.execute(_T.delete().where(_T.c.id == values['id'], _T.c.deleted == sa.true()))
        try:
            return create(ctxt, values, metadata)
        except db_exc.DBDuplicateEntry:
            raise exception.InvalidBackup(
                reason=f"backup {values['id']} exists already") from None


@session.retry_on_deadlock
def update(ctxt: RequestContext, backup_id: str, values: Mapping[str, object]) -> None:
    """Change columns whatever the status is, and never the status; see volumes.update.

    :raises BackupNotFound: there is no such backup.
    """
    changes.refuse_status(_T, values)
    overwrite(ctxt, backup_id, values)


@session.retry_on_deadlock
def overwrite(ctxt: RequestContext, backup_id: str, values: Mapping[str, object]) -> None:
    """Change columns, the status among them, whatever it is: for an administrator who says so.

    :raises BackupNotFound: there is no such backup.
    """
    if not changes.compare_and_swap(ctxt, _T, backup_id, {}, values):
        raise exception.BackupNotFound(backup_id=backup_id)


@session.retry_on_deadlock
def transition(ctxt: RequestContext, backup: objects.Backup, verb: str, **values: object) -> None:
    """Begin `verb` of states.BACKUP; see volumes.transition.

    :raises BackupNotFound: the backup is gone.
    :raises InvalidBackup: by the table.
    """
    rule = states.BACKUP[verb]
    try:
        refusal = transitions.apply(ctxt, _T, rule, backup.id, (), values)
    except exception.NotFound:
        raise exception.BackupNotFound(backup_id=backup.id) from None
    if refusal:
        raise exception.InvalidBackup(reason=refusal)
    transitions.follow(backup, rule, values)


@session.retry_on_deadlock
def finish_transition(ctxt: RequestContext, backup_id: str, meanwhile: str | None, status: str,
                      values: Mapping[str, object]) -> bool:
    """Go from the status `meanwhile` (None: any) to `status`; False when it was another."""
    expected = {} if meanwhile is None else {'status': meanwhile}
    return changes.compare_and_swap(ctxt, _T, backup_id, expected, {**values, 'status': status})


@session.retry_on_deadlock
def destroy(ctxt: RequestContext, backup_id: str) -> None:
    """Mark a backup as deleted; its rows stay until they are purged."""
    changes.soft_delete(ctxt, _T, [_T.c.id == backup_id], status='deleted')


@session.retry_on_deadlock
def set_metadata(ctxt: RequestContext, backup_id: str, pairs: Mapping[str, str],
                 replace: bool = False) -> dict[str, str]:
    """Merge or replace the metadata; returns all of it."""
    return changes.set_pairs(ctxt, _SIDE, _SIDE.c.backup_id, backup_id, pairs, replace)
