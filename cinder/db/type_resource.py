# SPDX-License-Identifier: Apache-2.0
"""What the SQL of volume types and of group types has in common: a name that no other living type
has, specs, and that a type is public or not and cannot be deleted while it is used."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, Unpack

import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception
from cinder.db import changes, query, resource, session
from cinder.db.filters import Listing
from cinder.db.pairs import Pairs, Values
from cinder.objects import base

if TYPE_CHECKING:
    from cinder.context import RequestContext

_O = TypeVar('_O', bound=base.CinderObject)


class TypeResource(resource.Resource[_O]):
    """One kind of types. Others than administrators see those that its Listing calls visible.

    :param specs: the field with the specs of a type, and their table
    :param used_by: column of what has a type, with the id of the type
    :param exists: error of a name that is taken; its keyword is `id`
    :param in_use: error of a type that cannot be deleted; its keyword is `errors.ident`
    """

    def __init__(self, made: type[_O], errors: resource.Errors, listing: Listing,
                 whole: Listing | None = None, *, specs: tuple[str, Pairs],
                 used_by: sa.Column[str], exists: type[exception.CinderException],
                 in_use: type[exception.CinderException]) -> None:
        super().__init__(made, errors, listing, whole=whole, pairs=dict([specs]))
        self._field, self._specs = specs
        self._used_by, self._exists, self._in_use = used_by, exists, in_use

    # ---------------------------------------------------------------------------------- read
    def list_rows(self, ctxt: RequestContext, *, detail: bool = False,
                  **page: Unpack[query.Options]) -> query.Page:
        """A page of types with their specs; see Rows.list_rows.

        :param page: among `filters` may be is_public: True, False or None (both).
        """
        filters = dict(page.get('filters') or {})
        if filters.get('is_public', 0) is None:
            del filters['is_public']
        page['filters'], page['all_tenants'] = filters, True
        return super().list_rows(ctxt, detail=detail, **page)

    def get_by_name(self, ctxt: RequestContext, name: str) -> _O:
        """:raises NotFound: there is none, or the caller may not see it; of the resource's class.
        """
        return self.load(ctxt, name, by='live_name')

    def get_by_name_or_id(self, ctxt: RequestContext, name_or_id: str) -> _O:
        """An id wins over a name.

        :raises NotFound: there is none, or the caller may not see it; of the resource's class.
        """
        try:
            return self.get(ctxt, name_or_id)
        except self.errors.not_found:
            return self.get_by_name(ctxt, name_or_id)

    def in_use(self, ctxt: RequestContext, ident: str) -> bool:
        """Whether something that is not deleted has the type."""
        with session.reader(ctxt) as conn:
            return conn.execute(sa.select(sa.literal(1)).where(
                self._used_by == ident, self._used_by.table.c.deleted == sa.false()).limit(
                    1)).first() is not None

    # -------------------------------------------------------------------------------- changes
    @session.retry_on_deadlock
    def create_named(self, ctxt: RequestContext, values: Mapping[str, object],
                     specs: Values | None = None,
                     parts: Mapping[str, object] | None = None) -> _O:
        """Insert a type.

        :param values: name, and perhaps id, description and is_public.
        :param parts: fields of the object that are stored elsewhere.
        :raises Conflict: the name is taken; of the class `exists`.
        """
        with session.writer(ctxt):
            try:
                return self.insert(ctxt, {**values, 'live_name': values['name']},
                                   {self._field: specs}, **(parts or {}))
            except db_exc.DBDuplicateEntry:
                raise self._exists(id=values['name']) from None

    @session.retry_on_deadlock
    def update(self, ctxt: RequestContext, ident: str, values: Mapping[str, object]) -> None:
        """Change name, description or is_public.

        :raises NotFound: there is no such type; of the resource's class.
        :raises Conflict: the name is taken; of the class `exists`.
        """
        name = values.get('name')
        with session.writer(ctxt):
            try:
                super().update(ctxt, ident, values if name is None else {
                    **values, 'live_name': name})
            except db_exc.DBDuplicateEntry:
                raise self._exists(id=name) from None

    @session.retry_on_deadlock
    def destroy(self, ctxt: RequestContext, ident: str) -> None:
        """Mark a type as deleted.

        :raises NotFound: there is no such type; of the resource's class.
        :raises Invalid: something has it; of the class `in_use`.
        """
        used = sa.exists().where(self._used_by == self.table.c.id,
                                 self._used_by.table.c.deleted == sa.false())
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            if not changes.soft_delete(ctxt, self.table, [self.table.c.id == ident, ~used],
                                       live_name=None):
                raise self._in_use(**{self.errors.ident: ident})

    def lock(self, ctxt: RequestContext, ident: str) -> None:
        """Lock the row of a type in an open transaction, so that it is not deleted meanwhile.

        :raises NotFound: there is no such type; of the resource's class.
        """
        super().update(ctxt, ident, {})

    @session.retry_on_deadlock
    def set_specs(self, ctxt: RequestContext, ident: str, specs: Values) -> dict[str, str | None]:
        """Merge specs into those of a type; returns all of them.

        :raises NotFound: there is no such type; of the resource's class.
        """
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            return self._specs.set(ctxt, ident, specs)

    @session.retry_on_deadlock
    def delete_spec(self, ctxt: RequestContext, ident: str, key: str) -> None:
        """:raises NotFound: there is no such key, or no such type."""
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            self._specs.delete(ctxt, ident, key)
