# SPDX-License-Identifier: Apache-2.0
"""The SQL of backups: rows for responses, objects, and their transitions."""
import datetime
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import changes, filters, models, pairs, resource, session, transitions
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
# Times in metadata.
_FORM = '%Y-%m-%dT%H:%M:%SZ'
_METADATA = pairs.Pairs(_SIDE, 'backup_id')


class _Backups(resource.Resource[objects.Backup]):

    def create(self, ctxt: RequestContext, values: Mapping[str, object],
               metadata: pairs.Values | None = None) -> objects.Backup:
        """Insert a backup; an id is generated unless the values have one.

        The default of data_timestamp is the current time.
        """
        return super().create(ctxt, {'data_timestamp': session.utcnow(), **values}, metadata)


_backups = _Backups(
    objects.Backup,
    resource.Errors(exception.BackupNotFound, 'backup_id', exception.InvalidBackup),
    filters.Listing(_T, _BRIEF, **_FILTERS), filters.Listing(_T, _DETAIL, **_FILTERS),
    filters.Listing(_T, tuple(_T.c)), pairs={'metadata': _METADATA}, verbs=states.BACKUP)
list_rows = _backups.list_rows
get_row = _backups.get_row
get = _backups.get
create = _backups.create
import_row = _backups.import_row
update = _backups.update
overwrite = _backups.overwrite
transition = _backups.transition
finish_transition = _backups.finish_transition
destroy = _backups.destroy
set_metadata = _METADATA.set


def newest_available(ctxt: RequestContext, project_id: str, volume_id: str,
                     before: datetime.datetime | None = None) -> objects.Backup | None:
    """Return the available backup of a volume with the newest data, without metadata.

    :param project_id: only backups of this project.
    :param before: only backups with data older than this time.
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
    """Return the ids of up to `limit` backups that depend on a backup."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_T.c.id).where(
            _T.c.parent_id == backup_id, _T.c.deleted == sa.false()).limit(limit)).scalars())


def count_dependents(ctxt: RequestContext, ids: Sequence[str]) -> dict[str, int]:
    """Return how many backups depend on each of some backups, without those on which none does."""
    with session.reader(ctxt) as conn:
        return {ident: number for ident, number in conn.execute(
            sa.select(_T.c.parent_id, sa.func.count()).where(
                _T.c.parent_id.in_(ids), _T.c.deleted == sa.false()).group_by(_T.c.parent_id))}


def existing(ctxt: RequestContext, ids: set[str]) -> set[str]:
    """Return which of some ids are those of backups."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(sa.select(_T.c.id).where(
            _T.c.id.in_(ids), _T.c.deleted == sa.false())).scalars())


def restored_to(volume_id: str) -> Callable[[], transitions.Requirement]:
    """Return the requirement that a backup is being restored to a volume."""
    return lambda: transitions.Requirement(_T.c.restore_volume_id == volume_id,
                                           f'is not being restored to volume {volume_id}')


def sharing_data(ctxt: RequestContext, backup: objects.Backup) -> list[str]:
    """Return the ids of other backups, which are not being deleted, with the same objects in the
    store: the record of one may be imported with the id of another."""
    with session.reader(ctxt) as conn:
        return list(conn.execute(sa.select(_T.c.id).where(
            _T.c.service == backup.service, _T.c.container == backup.container,
            _T.c.service_metadata == backup.service_metadata, _T.c.id != backup.id,
            _T.c.status != 'deleting', _T.c.deleted == sa.false())).scalars())


def all_rows(ctxt: RequestContext, status: str | None = None) -> Sequence[Mapping]:
    """Return the backups of all projects, oldest first, as plain rows.

    :param status: only those in this status.
    """
    where = [_T.c.deleted == sa.false()]
    if status is not None:
        where.append(_T.c.status == status)
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(*_T.c).where(*where).order_by(
            _T.c.created_at, _T.c.id)).mappings().all()


@session.retry_on_deadlock
def move_to_host(ctxt: RequestContext, current: str, new: str) -> int:
    """Give the backups of a host to another one; return their number."""
    return changes.update_where(ctxt, _T, [_T.c.host == current, _T.c.deleted == sa.false()],
                                {'host': new, 'updated_at': _T.c.updated_at})


def mark(ctxt: RequestContext, backup_id: str, key: str, **values: str) -> None:
    """Store the time, by the clock of the database, in the metadata of a backup.

    :param key: key that gets the time, as YYYY-MM-DDTHH:MM:SSZ in UTC
    :param values: further metadata
    """
    with session.writer(ctxt):
        set_metadata(ctxt, backup_id, {key: _moment(ctxt, 0), **values})


def least_recently_marked(ctxt: RequestContext, host: str, service: str, key: str,
                          seconds: int) -> objects.Backup | None:
    """Return the available backup of a host and driver for which mark() was never called, or the
    longest time ago, if that is longer than `seconds`; without metadata."""
    marked = _SIDE.c.value
    with session.reader(ctxt) as conn:
        row = conn.execute(sa.select(*_T.c).outerjoin(
            _SIDE, sa.and_(_SIDE.c.backup_id == _T.c.id, _SIDE.c.key == key)).where(
                _T.c.host == host, _T.c.service == service, _T.c.status == 'available',
                _T.c.deleted == sa.false(),
                sa.or_(marked.is_(None), marked < _moment(ctxt, -seconds))).order_by(
                    marked.is_not(None), marked, _T.c.id).limit(1)).mappings().first()
    return objects.Backup.from_row(row) if row else None


def _moment(ctxt: RequestContext, seconds: int) -> str:
    with session.reader(ctxt) as conn:
        return f'{conn.execute(sa.select(session.in_seconds(seconds))).scalar_one():{_FORM}}'
