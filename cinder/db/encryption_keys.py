# SPDX-License-Identifier: Apache-2.0
"""The SQL of encryption key ids: which rows use one, and their replacement."""
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import backend_volumes, changes, models, session

_TABLES = {'volume': models.Volume.__table__, 'snapshot': models.Snapshot.__table__,
           'backup': models.Backup.__table__}
KINDS = tuple(_TABLES)
_TRASH = models.Trash.__table__


class KeyUser(NamedTuple):
    """A row with a key: its kind, id, project and user, and the key id of its volume."""

    kind: str
    id: str
    user_id: str | None
    volume_key: str | None


def _volume_of(kind: str) -> sa.Column:
    """Return the column with the volume id of a row."""
    return _TABLES[kind].c['id' if kind == 'volume' else 'volume_id']


def is_used(ctxt: RequestContext, key_id: str, volume_id: str) -> bool:
    """Return whether a volume, or a snapshot or backup of it, uses the key.

    Resources that are being deleted do not count, those in the trash do.
    """
    with session.reader(ctxt) as conn:
        return conn.execute(sa.union_all(*(
            sa.select(sa.literal(1)).where(
                _volume_of(kind) == volume_id, table.c.encryption_key_id == key_id,
                table.c.deleted == sa.false(), table.c.status != 'deleting')
            for kind, table in _TABLES.items()), sa.select(sa.literal(1)).where(
                _TRASH.c.volume_id == volume_id, _TRASH.c.encryption_key_id == key_id,
                _TRASH.c.status != 'purging'))).first() is not None


def has_user(ctxt: RequestContext, key_id: str) -> bool:
    """Return whether any volume, snapshot or backup, also one in the trash, has the key, or is
    deleted with it."""
    return bool(used_among(ctxt, [key_id]))


def used_among(ctxt: RequestContext, key_ids: Collection[str]) -> set[str]:
    """Return those of the keys that have a user; see has_user()."""
    with session.reader(ctxt) as conn:
        return set(conn.execute(sa.union(*(
            sa.select(table.c.encryption_key_id).where(table.c.encryption_key_id.in_(key_ids),
                                                       table.c.deleted == sa.false())
            for table in _TABLES.values()), sa.select(_TRASH.c.encryption_key_id).where(
                _TRASH.c.encryption_key_id.in_(key_ids)))).scalars())


def list_key_users(ctxt: RequestContext, kind: str, key_id: str, host: str,
                   cluster: str | None = None) -> list[KeyUser]:
    """Return the rows with a key: volumes of a back end, their snapshots, or backups of its host.

    :param kind: one of KINDS.
    :param host: 'host@backend'.
    """
    table, volume = _TABLES[kind], _TABLES['volume'].alias()
    place = (table.c.host == host.partition('@')[0] if kind == 'backup'
             else _volume_of(kind).in_(backend_volumes.ids_on_backend(host, cluster)))
    joined = table.outerjoin(volume, sa.and_(volume.c.id == _volume_of(kind),
                                             volume.c.deleted == sa.false()))
    with session.reader(ctxt) as conn:
        rows = conn.execute(
            sa.select(table.c.id, table.c.user_id, volume.c.encryption_key_id)
            .select_from(joined).where(table.c.encryption_key_id == key_id,
                                       table.c.deleted == sa.false(), place)).all()
    return [KeyUser(kind, *row) for row in rows]


@session.retry_on_deadlock
def replace(ctxt: RequestContext, holder: KeyUser, old: str, new: str) -> bool:
    """Replace the key of a row if it is still the old one; also in the snapshots of a volume."""
    with session.writer(ctxt):
        if not changes.compare_and_swap(ctxt, _TABLES[holder.kind], holder.id,
                                        {'encryption_key_id': old}, {'encryption_key_id': new}):
            return False
        if holder.kind == 'volume':
            table = _TABLES['snapshot']
            changes.update_where(ctxt, table, [
                table.c.volume_id == holder.id, table.c.encryption_key_id == old,
                table.c.deleted == sa.false()], {'encryption_key_id': new})
    return True
