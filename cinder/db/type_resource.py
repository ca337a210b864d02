# SPDX-License-Identifier: Apache-2.0
"""Common SQL of volume types and group types: unique names, specs, public and private types, and no
deletion while a type is in use."""
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
    """One kind of type. Non-administrators see the types that the Listing calls visible.

    :param specs: field with the specs of a type, and their table
    :param used_by: column with the type id in the table of the resources
    :param exists: error for a duplicate name; its keyword is `id`
    :param in_use: error for the deletion of a type in use; its keyword is `errors.ident`
    """

    def __init__(self, made: type[_O], errors: resource.Errors, listing: Listing,
                 *, specs: tuple[str, Pairs],
                 used_by: sa.Column[str], exists: type[exception.CinderException],
                 in_use: type[exception.CinderException]) -> None:
        super().__init__(made, errors, listing, pairs=dict([specs]))
        self._field, self._specs = specs
        self._used_by, self._exists, self._in_use = used_by, exists, in_use

    # ---------------------------------------------------------------------------------- read
    def list_rows(self, ctxt: RequestContext, *, detail: bool = False,
                  **page: Unpack[query.Options]) -> query.Page:
        """Return a page of types with their specs; see Rows.list_rows.

        :param page: `filters` may have is_public: True, False or None (both).
        """
        filters = dict(page.get('filters') or {})
        if filters.get('is_public', 0) is None:
            del filters['is_public']
        page['filters'], page['all_tenants'] = filters, True
        return super().list_rows(ctxt, detail=detail, **page)

    def get_by_name(self, ctxt: RequestContext, name: str) -> _O:
        """Return a type; :raises NotFound: it does not exist, or the caller cannot see it."""
        return self.load(ctxt, name, by='live_name')

    def get_by_name_or_id(self, ctxt: RequestContext, name_or_id: str) -> _O:
        """Return a type by id or, if there is none with that id, by name.

        :raises NotFound: it does not exist, or the caller cannot see it.
        """
        try:
            return self.get(ctxt, name_or_id)
        except self.errors.not_found:
            return self.get_by_name(ctxt, name_or_id)

    def in_use(self, ctxt: RequestContext, ident: str) -> bool:
        """Return whether a resource that is not deleted has the type."""
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

        :param values: name, optionally id, description and is_public.
        :param parts: fields of the object from other tables.
        :raises Conflict: the name exists; the class is `exists`.
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

        :raises NotFound: the type does not exist.
        :raises Conflict: the name exists; the class is `exists`.
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

        :raises NotFound: the type does not exist.
        :raises Invalid: the type is in use; the class is `in_use`.
        """
        used = sa.exists().where(self._used_by == self.table.c.id,
                                 self._used_by.table.c.deleted == sa.false())
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            if not changes.soft_delete(ctxt, self.table, [self.table.c.id == ident, ~used],
                                       live_name=None):
                raise self._in_use(**{self.errors.ident: ident})

    def lock(self, ctxt: RequestContext, ident: str) -> None:
        """Lock the row of a type in an open transaction against a concurrent deletion.

        :raises NotFound: the type does not exist.
        """
        super().update(ctxt, ident, {})

    @session.retry_on_deadlock
    def set_specs(self, ctxt: RequestContext, ident: str, specs: Values) -> dict[str, str | None]:
        """Merge specs into those of a type; return all of them.

        :raises NotFound: the type does not exist.
        """
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            return self._specs.set(ctxt, ident, specs)

    @session.retry_on_deadlock
    def delete_spec(self, ctxt: RequestContext, ident: str, key: str) -> None:
        """Delete a spec; :raises NotFound: the key or the type does not exist."""
        with session.writer(ctxt):
            self.lock(ctxt, ident)
            self._specs.delete(ctxt, ident, key)
