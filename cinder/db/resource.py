# SPDX-License-Identifier: Apache-2.0
"""What the SQL of all resources has in common: objects, new rows and changes of state.

A module of a resource makes one Resource and binds its methods to names of the module; what only
this resource does is a function there. Pages and single rows are in rows.py.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.db import changes, session, transitions
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

    :param made: the class of its objects
    :param whole: columns of an object, None: those of detail rows
    :param verbs: its state table, verb -> row of cinder.objects.states
    :param parts: function(ctxt, row) -> fields of an object that other resources hold
    """

    def __init__(self, made: type[_O], errors: Errors, brief: Listing,
                 detail: Listing | None = None, whole: Listing | None = None, *,
                 pairs: Mapping[str, Pairs] | None = None,
                 verbs: Mapping[str, states.Transition] | None = None,
                 parts: Callable[[RequestContext, Row], Mapping[str, object]] | None = None,
                 ) -> None:
        super().__init__(errors, brief, detail, pairs=pairs)
        self.made, self.whole = made, whole or self.detail
        self.verbs = verbs or {}
        self.parts = parts
        self.kind = self.table.name.removesuffix('s')

    def get(self, ctxt: RequestContext, ident: str) -> _O:
        """A resource with what other tables hold for it.

        :raises NotFound: as get_row().
        """
        return self.load(ctxt, ident)

    def load(self, ctxt: RequestContext, value: str, by: str = 'id') -> _O:
        """get() by an id or by another column, see filled()."""
        row = self.filled(ctxt, self.whole, value, by)
        return self.made.from_row(row, **(self.parts(ctxt, row) if self.parts else {}))

    # ------------------------------------------------------------------------------- new rows
    @session.retry_on_deadlock
    def insert(self, ctxt: RequestContext, values: Mapping[str, object],
               pairs: Mapping[str, Values | None] | None = None, **parts: object) -> _O:
        """Insert a row with its keys and values; an id is made unless the values hold one.

        :param pairs: field -> keys and values, for fields of `pairs`.
        :param parts: further fields of the object, which are stored elsewhere.
        """
        given = {name: dict((pairs or {}).get(name) or {}) for name in self.pairs}
        with session.writer(ctxt) as conn:
            row = changes.insert(conn, self.table, changes.with_id(values))
            for name, each in given.items():
                self.pairs[name].add(conn, row['id'], each)
        return self.made.from_row(row, **given, **parts)

    def create(self, ctxt: RequestContext, values: Mapping[str, object],
               metadata: Values | None = None) -> _O:
        """insert() of a resource whose only keys and values are its metadata."""
        return self.insert(ctxt, values, {'metadata': metadata})

    @session.retry_on_deadlock
    def import_row(self, ctxt: RequestContext, values: Mapping[str, object],
                   metadata: Values | None = None) -> _O:
        """create() under the id that the resource had before, in place of a deleted row of that id.

        :raises Invalid: one with that id exists; the class is the resource's.
        """
        table = self.table
        with session.writer(ctxt) as conn:
            # What follows its row goes with it.
            conn.execute(table.delete().where(table.c.id == values['id'],
                                              table.c.deleted == sa.true()))
            try:
                return self.create(ctxt, values, metadata)
            except db_exc.DBDuplicateEntry:
                raise self.errors.refused(f"{self.kind} {values['id']} exists already") from None

    # -------------------------------------------------------------------------------- changes
    def update(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change columns whatever the status is, and never the status: that follows from
        operations and attachments, see transition() and finish_transition().

        :raises NotFound: there is no such row; the class is the resource's.
        :raises ValueError: there is a status among the values.
        """
        if 'status' in values:
            raise ValueError(f'the status of {self.table.name} is not written by update()')
        self.overwrite(ctxt, ident, values)

    @session.retry_on_deadlock
    def overwrite(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change columns, the status among them, whatever it is: for an administrator who says so,
        and for rows that nobody but their writer knows.

        :raises NotFound: there is no such row; the class is the resource's.
        """
        if not changes.compare_and_swap(ctxt, self.table, ident, {}, values):
            raise self.errors.missing(ident)

    @session.retry_on_deadlock
    def transition(self, ctxt: RequestContext, resource: _O, verb: str, *,
                   conditions: Sequence[Callable[[], transitions.Requirement]] = (),
                   **values: object) -> None:
        """Begin `verb` of the state table, in one UPDATE that only fits a status it may begin in.

        :param conditions: what else must hold: functions such as volume_requirements.no_snapshots.
        :param values: columns to set too; `status` wins over the table's.
        :raises NotFound: the resource is gone; the class is the resource's.
        :raises Invalid, Conflict: by the table, with what is in the way; likewise.
        """
        rule, ident = self.verbs[verb], resource.get('id')
        try:
            refusal = transitions.apply(ctxt, self.table, rule, ident,
                                        [make() for make in conditions], values)
        except exception.NotFound:
            raise self.errors.missing(ident) from None
        if refusal:
            raise self.errors.refused(refusal, rule.http)
        transitions.follow(resource, rule, values)

    @session.retry_on_deadlock
    def finish_transition(self, ctxt: RequestContext, ident: str, meanwhile: str | None,
                          status: str | None, values: Mapping[str, object]) -> bool:
        """Go from the status `meanwhile` (None: any) to `status`; False when it was another.

        :param status: None leaves it as it is; states.PREVIOUS is the one before the work, or what
            the attachments of a volume made of it since, see volumes.settle().
        :param values: columns to set too.
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
        changes.soft_delete(ctxt, self.table, [self.table.c.id == ident], status='deleted')
