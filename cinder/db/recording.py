# SPDX-License-Identifier: Apache-2.0
"""Records changes of resources as rows of the table `events`, in the transaction that makes them.

The functions that change rows (changes.py, pairs.py) call note(); at the end of the transaction one
INSERT copies the changed rows as they are then. events.py reads the table.
"""
import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import functions, models, session

_T = models.Event.__table__
# Key in the information of a connection: what its transaction has changed.
_CHANGED = 'changed'
CREATE, UPDATE, DELETE, LEAVE = KINDS = ('create', 'update', 'delete', 'leave')
# Secrets, data of drivers of any size, and what the kind of the event says.
_NOT_RECORDED = frozenset((
    'provider_auth', 'provider_location', 'replication_driver_data', 'service_metadata',
    'connection_info', 'connector', 'salt', 'crypt_hash', 'deleted'))
# Rows of one INSERT that differ in table, kind or changed columns.
_AT_ONCE = 8


@dataclasses.dataclass(frozen=True)
class Recorded:
    """How the rows of a table are recorded.

    :param name: type of the resource.
    :param visible: columns that tenants see. A change of others makes no event of its own.
    :param sides: field -> its keys and values, with the column of their owner.
    :param project: the project that sees the events; None: its column project_id.
    """

    name: str
    visible: frozenset[str]
    sides: dict[str, sa.Column]
    project: sa.ColumnElement | None = None


# Columns that tenants see of all resources, and of the type.
_ALWAYS = ('id', 'project_id', 'user_id', 'created_at', 'updated_at', 'deleted_at', 'deleted',
           'status', 'display_name', 'display_description', 'metadata', 'glance_metadata')
_VISIBLE = {kind: frozenset((*_ALWAYS, *names.split())) for kind, names in {
    'volume': 'size attach_status availability_zone volume_type_id snapshot_id source_volid '
              'group_id bootable multiattach replication_status encryption_key_id use_quota',
    'snapshot': 'volume_id volume_size progress group_snapshot_id use_quota',
    'backup': 'volume_id snapshot_id parent_id size fail_reason availability_zone container '
              'object_count data_timestamp restore_volume_id encryption_key_id',
    'group': 'name description availability_zone group_type_id group_snapshot_id '
             'source_group_id replication_status',
    'group_snapshot': 'name description group_id group_type_id',
    'attachment': 'volume_id instance_uuid attach_status attach_mode attach_time detach_time',
    'transfer': 'volume_id expires_at no_snapshots source_project_id destination_project_id '
                'accepted',
}.items()}


def _recorded(name: str, sides: dict[str, sa.Column] | None = None,
              project: sa.ColumnElement | None = None) -> Recorded:
    return Recorded(name, _VISIBLE[name], sides or {}, project)


_V, _S, _B = models.Volume.__table__, models.Snapshot.__table__, models.Backup.__table__
_TRANSFERS = models.Transfer.__table__
_IMAGE = models.VolumeGlanceMetadata.__table__
# The destination of a migration is internal.
_SEEN = sa.case((sa.func.coalesce(_V.c.migration_status, '').like('target:%'), sa.null()),
                (_V.c.migration_status == 'deleting', sa.null()), else_=_V.c.project_id)
RECORDED: dict[sa.Table, Recorded] = {
    _V: _recorded('volume', {
        'metadata': models.VolumeMetadata.__table__.c.volume_id,
        'admin_metadata': models.VolumeAdminMetadata.__table__.c.volume_id,
        'glance_metadata': _IMAGE.c.volume_id}, project=_SEEN),
    _S: _recorded('snapshot', {'metadata': models.SnapshotMetadata.__table__.c.snapshot_id,
                              'glance_metadata': _IMAGE.c.snapshot_id}),
    _B: _recorded('backup', {'metadata': models.BackupMetadata.__table__.c.backup_id}),
    models.Group.__table__: _recorded('group'),
    models.GroupSnapshot.__table__: _recorded('group_snapshot'),
    models.VolumeAttachment.__table__: _recorded('attachment'),
    _TRANSFERS: _recorded('transfer', project=_TRANSFERS.c.source_project_id),
}
TYPES = {each.name: table for table, each in RECORDED.items()}
# Column of an owner of keys and values -> table of the owner, field.
_FIELDS = {owner: (table, field) for table, each in RECORDED.items()
           for field, owner in each.sides.items()}


def columns_of(table: sa.Table) -> tuple[str, ...]:
    """Return the names of the columns that events of a table have."""
    return tuple(column.name for column in table.c if column.name not in _NOT_RECORDED)


def is_followed(table: sa.Table, names: Iterable[str]) -> bool:
    """Return whether changes of these columns of a table are recorded."""
    recorded = RECORDED.get(table)
    return (recorded is not None and not recorded.visible.isdisjoint(names)
            and CONF.events_enabled)


def begin(conn: sa.Connection) -> None:
    """Begin a transaction."""
    conn.info[_CHANGED] = {}


def note(conn: sa.Connection, table: sa.Table, ids: Iterable[str], kind: str,
         names: Iterable[str] = ()) -> None:
    """Remember that rows were created, changed or deleted.

    :param names: columns that were changed.
    """
    changed = conn.info.get(_CHANGED)
    if changed is None or table not in RECORDED:
        return
    for ident in ids:
        before = changed.get((table, ident))
        if before is None:
            changed[table, ident] = (kind, set(names))
        else:
            before[1].update(names)
            if kind == DELETE or before[0] == DELETE:
                changed[table, ident] = (kind, before[1])


def note_values(conn: sa.Connection, table: sa.Table, ids: Iterable[str],
                values: Mapping[str, object]) -> None:
    """Remember a change of columns; one of `deleted` is a deletion, or the return of a resource
    from the trash, which exists again."""
    kind = UPDATE if 'deleted' not in values else DELETE if values['deleted'] else CREATE
    note(conn, table, ids, kind, values if kind != CREATE else ())


def note_pairs(conn: sa.Connection, owner: sa.Column, row_id: str) -> None:
    """Remember that keys and values of a row were changed.

    :param owner: column of their table with the id of the row.
    """
    if owner in _FIELDS:
        table, field = _FIELDS[owner]
        if field not in RECORDED[table].visible:
            return
        note(conn, table, [row_id], UPDATE, [field])


def leave(ctxt: RequestContext, conn: sa.Connection, table: sa.Table, ids: Iterable[str]) -> None:
    """Record, for the present project of rows, that they are about to move to another one."""
    _write(ctxt, conn, [(table, LEAVE, frozenset(), tuple(ids))])


def flush(ctxt: RequestContext, conn: sa.Connection) -> None:
    """Record what the transaction has changed; called before its commit."""
    changed = conn.info.pop(_CHANGED, None)
    if not changed or not CONF.events_enabled:
        return
    groups: dict[tuple[sa.Table, str, frozenset], list[str]] = {}
    for (table, ident), (kind, names) in changed.items():
        groups.setdefault((table, kind, frozenset(names)), []).append(ident)
    rows = [(*key, tuple(ids)) for key, ids in groups.items()]
    for first in range(0, len(rows), _AT_ONCE):
        _write(ctxt, conn, rows[first:first + _AT_ONCE])


def _write(ctxt: RequestContext, conn: sa.Connection,
           rows: list[tuple[sa.Table, str, frozenset, tuple[str, ...]]]) -> None:
    given: dict[str, str | None] = {'user': ctxt.user_id, 'request': ctxt.request_id}
    for number, (_table, kind, names, ids) in enumerate(rows):
        given |= {f'kind_{number}': kind, f'ids_{number}': ','.join(ids),
                  f'changed_{number}': json.dumps(sorted(names)) if names else None}
    conn.execute(_insert(tuple((table, len(ids) == 1) for table, _k, _n, ids in rows)), given)


@functools.lru_cache(128)
def _insert(shape: tuple[tuple[sa.Table, bool], ...]) -> sa.Insert:
    """Return the INSERT of events of some tables; True: of one row of it."""
    parts = [_part(number, table, single) for number, (table, single) in enumerate(shape)]
    return _T.insert().from_select(
        ['project_id', 'user_id', 'request_id', 'resource_type', 'resource_id', 'kind', 'changed',
         'body', 'created_at'],
        parts[0] if len(parts) == 1 else sa.union_all(*parts), include_defaults=False).inline()


def _part(number: int, table: sa.Table, single: bool) -> sa.Select:
    recorded, ids = RECORDED[table], sa.bindparam(f'ids_{number}', type_=sa.String)
    body = functions.row_of(
        **{name: table.c[name] for name in columns_of(table)},
        **{field: functions.pairs_of(owner.table, owner, table.c.id)
           for field, owner in recorded.sides.items()})
    return sa.select(
        table.c.project_id if recorded.project is None else recorded.project,
        _text_parameter('user'), _text_parameter('request'),
        sa.literal_column(f"'{recorded.name}'"), table.c.id, _text_parameter(f'kind_{number}'),
        _text_parameter(f'changed_{number}'), body, session.utcnow(),
    ).where(table.c.id == ids if single else functions.among(table.c.id, ids))


def _text_parameter(name: str) -> sa.ColumnElement[str]:
    # PostgreSQL would not know the type of a parameter in a UNION.
    return sa.cast(sa.bindparam(name, type_=sa.String), sa.Text)


session.BEFORE_COMMIT.append(flush)
session.AFTER_BEGIN.append(begin)
