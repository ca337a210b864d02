# SPDX-License-Identifier: Apache-2.0
"""Common SQL of all resources: objects, new rows and transitions.

The module of a resource creates one Resource and binds its methods to module-level names; SQL that
only this resource has is in functions there. rows.py has pages and single rows.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.db import changes, functions, query, session, transitions
from cinder.db.filters import Listing
from cinder.db.pairs import Pairs, Values
from cinder.db.rows import Errors, Row, Rows
from cinder.objects import base, states

if TYPE_CHECKING:
    from cinder.context import RequestContext

__all__ = ['Errors', 'Resource', 'Row', 'Rows']

_O = TypeVar('_O', bound=base.CinderObject)


class Resource(Rows, Generic[_O]):
    """One kind of resource.

    :param made: class of its objects
    :param whole: columns of an object; None: those of detail rows
    :param verbs: state table, verb -> row of cinder.objects.states
    :param parts: function(ctxt, row) -> fields of an object from other resources
    """

    def __init__(self, made: type[_O], errors: Errors, brief: Listing,
                 detail: Listing | None = None, whole: Listing | None = None, *,
                 pairs: Mapping[str, Pairs] | None = None,
                 verbs: Mapping[str, states.Transition] | None = None,
                 parts: Callable[[RequestContext, Row], Mapping[str, object]] | None = None,
                 ) -> None:
        super().__init__(errors, brief, detail, pairs=pairs)
        self.made, whole = made, whole or self.detail
        self.whole = dataclasses.replace(whole, columns=(*whole.columns, *(
            functions.pairs_of(each.table, each.owner, self.table.c.id).label(name)
            for name, each in self.pairs.items())))
        self.verbs = verbs or {}
        self.parts = parts
        self.kind = self.table.name.removesuffix('s')

    def get(self, ctxt: RequestContext, ident: str) -> _O:
        """Return a resource with the data of other tables.

        :raises NotFound: as get_row().
        """
        return self.load(ctxt, ident)

    def load(self, ctxt: RequestContext, value: str, by: str = 'id') -> _O:
        """Return a resource by id or by another column, see read_row()."""
        with session.reader(ctxt) as conn:
            page = self.read_page(ctxt, conn, self.whole, value, by)
            self.fill_whole(conn, page)
        row = page.rows[0]
        return self.made.from_row(row, **(self.parts(ctxt, row) if self.parts else {}))

    def fill_whole(self, conn: sa.Connection, page: query.Page) -> None:
        """Add to the row of an object what is neither in `whole` nor in `pairs`."""

    # ------------------------------------------------------------------------------- new rows
    @session.retry_on_deadlock
    def insert(self, ctxt: RequestContext, values: Mapping[str, object],
               pairs: Mapping[str, Values | None] | None = None, **parts: object) -> _O:
        """Insert a row with its keys and values; an id is generated unless the values have one.

        :param pairs: field -> keys and values, for fields of `pairs`.
        :param parts: further fields of the object, which other tables store.
        """
        given = {name: dict((pairs or {}).get(name) or {}) for name in self.pairs}
        with session.writer(ctxt) as conn:
            row = changes.insert(conn, self.table, changes.with_id(values))
            for name, each in given.items():
                self.pairs[name].add(conn, row['id'], each)
        return self.made.from_row(row, **given, **parts)

    def create(self, ctxt: RequestContext, values: Mapping[str, object],
               metadata: Values | None = None) -> _O:
        """Insert a resource that has no other keys and values than metadata."""
        return self.insert(ctxt, values, {'metadata': metadata})

    @session.retry_on_deadlock
    def import_row(self, ctxt: RequestContext, values: Mapping[str, object],
                   metadata: Values | None = None) -> _O:
        """Insert a resource with a given id, replacing a deleted row with that id.

        :raises Invalid: a row with that id exists; the class is `invalid`.
        """
        table = self.table
        with session.writer(ctxt) as conn:
            # Dependent rows are deleted with the row.
            conn.execute(table.delete().where(table.c.id == values['id'],
                                              table.c.deleted == sa.true()))
            try:
                return self.create(ctxt, values, metadata)
            except db_exc.DBDuplicateEntry:
                raise self.errors.refused(f"{self.kind} {values['id']} already exists") from None

    # -------------------------------------------------------------------------------- changes
    def update(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change columns in any status, but not the status, which transition() and
        finish_transition() change.

        :raises NotFound: the row does not exist; the class is `not_found`.
        :raises ValueError: the values contain a status.
        """
        if 'status' in values:
            raise ValueError(f'update() must not change the status of {self.table.name}')
        self.overwrite(ctxt, ident, values)

    @session.retry_on_deadlock
    def overwrite(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change columns including the status, in any status: for requests of administrators, and
        for rows that no other code changes.

        :raises NotFound: the row does not exist; the class is `not_found`.
        """
        if not changes.compare_and_swap(ctxt, self.table, ident, {}, values):
            raise self.errors.missing(ident)

    @session.retry_on_deadlock
    def transition(self, ctxt: RequestContext, resource: _O, verb: str, *,
                   conditions: Sequence[Callable[[], transitions.Requirement]] = (),
                   **values: object) -> None:
        """Start `verb` of the state table, with one UPDATE that checks the allowed statuses.

        :param conditions: further requirements: functions such as volume_requirements.no_snapshots.
        :param values: further columns to set; `status` overrides that of the table.
        :raises NotFound: the resource does not exist; the class is `not_found`.
        :raises Invalid, Conflict: the change is not allowed, with the reason; `invalid`,
        `conflict`.
        """
        rule, ident = self.verbs[verb], resource.get('id')
        try:
            refusal = transitions.apply_transition(ctxt, self.table, rule, ident,
                                                   [make() for make in conditions], values)
        except exception.NotFound:
            raise self.errors.missing(ident) from None
        if refusal:
            raise self.errors.refused(refusal, rule.http)
        transitions.update_object(resource, rule, values)

    @session.retry_on_deadlock
    def finish_transition(self, ctxt: RequestContext, ident: str, meanwhile: str | None,
                          status: str | None, values: Mapping[str, object]) -> bool:
        """Change the status from `meanwhile` (None: any) to `status`; return False if it differs.

        :param status: None: no change; states.PREVIOUS: the status before the operation, updated
            for the attachments of a volume, see volumes.settle().
        :param values: further columns to set.
        """
        written: dict[str, object] = dict(values)
        if status is not None:
            written['status'] = status if status != states.PREVIOUS else sa.func.coalesce(
                self.table.c.previous_status, 'available')
        expected = {} if meanwhile is None else {'status': meanwhile}
        return changes.compare_and_swap(ctxt, self.table, ident, expected, written)

    @session.retry_on_deadlock
    def destroy(self, ctxt: RequestContext, ident: str) -> None:
        """Mark a row as deleted; it stays until it is purged."""
        changes.compare_and_swap(ctxt, self.table, ident, {}, {
            'status': 'deleted', 'deleted': True, 'deleted_at': session.utcnow()})
