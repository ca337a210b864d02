# SPDX-License-Identifier: Apache-2.0
"""The rows of one table for responses: pages and single rows.

A resource that also has objects and transitions is a Resource, see resource.py.
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

    :param not_found: the row does not exist, or belongs to another project
    :param ident: keyword of `not_found` for the id
    :param invalid: the current status or values do not allow a change (HTTP 400)
    :param conflict: the same if the state table has 409; None: `invalid`
    """

    not_found: type[exception.NotFound]
    ident: str
    invalid: type[exception.CinderException] = exception.Invalid
    conflict: type[exception.CinderException] | None = None

    def missing(self, ident: str) -> exception.NotFound:
        """Return the error for an id without a row."""
        return self.not_found(**{self.ident: ident})

    def refused(self, reason: str, http: int = 400) -> exception.CinderException:
        """Return the error for a change that is not allowed.

        :param reason: the resource and what prevents the change.
        :param http: 400 or 409.
        """
        return (self.conflict if http == 409 and self.conflict else self.invalid)(reason=reason)


class Rows:
    """The rows of one table for responses.

    :param errors: `not_found` and `ident` are used
    :param brief: columns and filters of a list
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
        """Return a page of the list; default order: newest first.

        :param detail: all fields of a response, otherwise the columns of a short list.
        :param page: `filters`: column or API name -> value, 'name~' for a part of it; `sort`:
            (name, 'asc' or 'desc') of each key; `limit`: maximum number of rows, None: all;
            `marker`: id of the last row of the previous page; `offset`: rows to skip;
            `with_count`: count all matches; `all_tenants`: rows of all projects, ignored for
            non-administrators.
        :raises MarkerNotFound: the caller cannot see a row with the id of the marker.
        :raises InvalidInput: a sort key or time filter is not valid.
        """
        listing = self.detail if detail else self.brief
        found = query.fetch(ctxt, listing, **page)
        if found.records and listing is self.detail:
            with session.reader(ctxt) as conn:
                self.fill_page(conn, found)
        return found

    def get_row(self, ctxt: RequestContext, ident: str) -> Row:
        """Return a row like list_rows(detail=True).

        :raises NotFound: it does not exist, or in another project; the class is `not_found`.
        """
        return self.read_row(ctxt, self.detail, ident)

    def read_row(self, ctxt: RequestContext, listing: Listing, value: str, by: str = 'id') -> Row:
        """Return the row of an id with the data of other tables.

        :param by: another, unique, column to search.
        :raises NotFound: as get_row().
        """
        with session.reader(ctxt) as conn:
            page = self.read_page(ctxt, conn, listing, value, by)
            self.fill_page(conn, page)
        return page.rows[0]

    def read_page(self, ctxt: RequestContext, conn: sa.Connection, listing: Listing, value: str,
                  by: str = 'id') -> query.Page:
        """Return the row as a page without data of other tables, for a caller with a connection."""
        page = query.one(ctxt, conn, listing, value, by)
        if not page.records:
            raise self.errors.missing(value)
        return page

    def fill_page(self, conn: sa.Connection, page: query.Page) -> None:
        """Add the data of other tables to the rows of a page, with one statement for each table."""
        for name, pairs in self.pairs.items():
            page.sides[name] = (pairs.of_rows(conn, page.ids), dict)
