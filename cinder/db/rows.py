# SPDX-License-Identifier: Apache-2.0
"""The rows of one table as answers of the API show them: pages and single rows.

What is also an object with changes of state is a Resource, see resource.py.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import sqlalchemy as sa

from cinder import exception
from cinder.db import query, session
from cinder.db.filters import Listing
from cinder.db.pairs import Pairs

if TYPE_CHECKING:
    from cinder.context import RequestContext

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Errors:
    """The errors of a resource.

    :param not_found: there is no such row, or it is another project's
    :param ident: the keyword of `not_found` for the id
    :param invalid: the present status or values do not allow a change (HTTP 400)
    :param conflict: the same where the state table says 409; None: `invalid`
    """

    not_found: type[exception.NotFound]
    ident: str
    invalid: type[exception.CinderException] = exception.Invalid
    conflict: type[exception.CinderException] | None = None

    def missing(self, ident: str) -> exception.NotFound:
        """The error for an id of which there is no row."""
        return self.not_found(**{self.ident: ident})

    def refused(self, reason: str, http: int = 400) -> exception.CinderException:
        """The error for a change that is not allowed.

        :param reason: what is in the way, and of which resource.
        :param http: 400 or 409.
        """
        return (self.conflict if http == 409 and self.conflict else self.invalid)(reason=reason)


class Rows:
    """The rows of one table, as answers of the API show them.

    :param errors: `not_found` and `ident` are used here
    :param brief: the columns and filters of a list
    :param detail: those of list_rows(detail=True) and get_row(); None: the same
    :param pairs: field -> table of its keys and values; only detail rows have these fields
    """

    def __init__(self, errors: Errors, brief: Listing, detail: Listing | None = None, *,
                 pairs: Mapping[str, Pairs] | None = None) -> None:
        self.errors, self.table = errors, brief.table
        self.brief, self.detail = brief, detail or brief
        self.pairs = dict(pairs or {})

    def list_rows(self, ctxt: RequestContext, *, detail: bool = False,
                  **page: Unpack[query.Options]) -> query.Page:
        """A page of the list, newest first unless `sort` says otherwise.

        :param detail: everything that an answer shows, else the columns of a short list.
        :param page: `filters`: column or API name -> value, 'name~' for a part of it; `sort`:
            (name, 'asc' or 'desc') of each key; `limit`: most rows, None is all; `marker`: id of
            the last row of the page before; `offset`: rows to skip; `with_count`: count all
            matches; `all_tenants`: rows of all projects, taken from an administrator only.
        :raises MarkerNotFound: the marker is no row that the caller may see.
        :raises InvalidInput: a sort key or time filter that is none.
        """
        listing = self.detail if detail else self.brief
        found = query.fetch(ctxt, listing, **page)
        if found.records and listing is self.detail:
            with session.reader(ctxt) as conn:
                self.fill(conn, found)
        return found

    def get_row(self, ctxt: RequestContext, ident: str) -> Row:
        """A row as list_rows(detail=True) gives it.

        :raises NotFound: there is none, or it is another project's; the class is the resource's.
        """
        return self.filled(ctxt, self.detail, ident)

    def filled(self, ctxt: RequestContext, listing: Listing, value: str, by: str = 'id') -> Row:
        """The row of an id with what other tables hold for it.

        :param by: another column whose value is looked for; no two rows have the same.
        :raises NotFound: as get_row().
        """
        with session.reader(ctxt) as conn:
            page = self.one(ctxt, conn, listing, value, by)
            self.fill(conn, page)
        return page.rows[0]

    def one(self, ctxt: RequestContext, conn: sa.Connection, listing: Listing, value: str,
            by: str = 'id') -> query.Page:
        """filled() as a page, without what other tables hold, for a caller that reads already."""
        page = query.one(ctxt, conn, listing, value, by)
        if not page.records:
            raise self.errors.missing(value)
        return page

    def fill(self, conn: sa.Connection, page: query.Page) -> None:
        """Give the rows of a page what other tables hold for them: a statement for each."""
        for name, pairs in self.pairs.items():
            page.sides[name] = (pairs.of_rows(conn, page.ids), dict)
