# SPDX-License-Identifier: Apache-2.0
"""Keys and values in a separate table for the rows of another one: metadata, extra specs."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

from cinder import exception
from cinder.db import changes, functions, recording, session

if TYPE_CHECKING:
    from cinder.context import RequestContext

Values = Mapping[str, str | None]


def _no_such_key(row_id: str, key: str) -> exception.NotFound:
    return exception.NotFound(f'{row_id} has no key {key}.')


class Pairs:
    """One table of keys and values.

    :param table: has the columns `key`, `value` and `owner`
    :param owner: name of the column with the id of the row that a pair belongs to
    :param not_found: function(id, key) -> the error of delete() for a missing key
    """

    def __init__(self, table: sa.Table, owner: str,
                 not_found: Callable[[str, str], Exception] = _no_such_key) -> None:
        self.table, self.owner = table, table.c[owner]
        self._not_found = not_found
        # (id of the row, key, value) of the rows in :ids.
        self.select = sa.select(self.owner, table.c.key, table.c.value).where(
            functions.among(self.owner, sa.bindparam('ids')))
        self._insert = table.insert().values(created_at=session.utcnow())
        self._delete = table.delete().where(self.owner == sa.bindparam('row'),
                                            table.c.key == sa.bindparam('name'))

    def of_rows(self, conn: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """Return id -> {key: value} of the rows that have pairs, read with one statement."""
        found: dict[str, dict[str, object]] = {}
        for owner, key, value in conn.execute(self.select, {'ids': ','.join(ids)}).all():
            if owner in found:
                found[owner][key] = value
            else:
                found[owner] = {key: value}
        return found

    def add(self, conn: sa.Connection, row_id: str, pairs: Values) -> None:
        """Insert the pairs of a new row."""
        if pairs:
            conn.execute(self._insert, [{self.owner.name: row_id, 'key': key, 'value': value}
                                        for key, value in pairs.items()])

    @session.retry_on_deadlock
    def set(self, ctxt: RequestContext, row_id: str, pairs: Values,
            replace: bool = False) -> dict[str, str | None]:
        """Merge pairs into those of a row, or replace them; return all pairs of the row."""
        table, owner = self.table, self.owner
        with session.writer(ctxt) as conn:
            if replace:
                conn.execute(table.delete().where(owner == row_id, table.c.key.not_in(list(pairs))))
            changes.upsert(conn, table, [{owner.name: row_id, 'key': key, 'value': value}
                                         for key, value in pairs.items()], (owner.name, 'key'))
            recording.note_pairs(conn, owner, row_id)
            return dict(pairs) if replace else dict(conn.execute(sa.select(
                table.c.key, table.c.value).where(owner == row_id)).all())

    @session.retry_on_deadlock
    def discard(self, ctxt: RequestContext, row_id: str, key: str) -> bool:
        """Delete a key of a row; return whether the row had it."""
        with session.writer(ctxt) as conn:
            done = conn.execute(self._delete, {'row': row_id, 'name': key}).rowcount > 0
            if done:
                recording.note_pairs(conn, self.owner, row_id)
            return done

    def delete(self, ctxt: RequestContext, row_id: str, key: str) -> None:
        """Delete a key of a row.

        :raises NotFound: the row does not have the key; the class is that of `not_found`.
        """
        if not self.discard(ctxt, row_id, key):
            raise self._not_found(row_id, key)
