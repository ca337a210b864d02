# SPDX-License-Identifier: Apache-2.0
"""Common parts of the handlers of volume types and group types: their lists, and the values of an
update."""
from collections.abc import Callable, Collection
from typing import Any

from cinder import exception
from cinder.api import converters, listings, wsgi
from cinder.api.schemas import base
from cinder.context import RequestContext
from cinder.db import query
from cinder.i18n import _

SORTS = ('id', 'name', 'description', 'is_public', 'created_at', 'updated_at')


def parse_is_public(name: str, text: str) -> bool | None:
    """Convert the filter is_public; None: public types and others."""
    return None if text.lower() == 'none' else converters.boolean(name, text)


def fetch_types(req: wsgi.Request, listing: listings.Listing,
                list_rows: Callable[..., query.Page]) -> listings.Rows:
    """Read the page that the request asks for: public types unless an administrator asks for
    others; the database shows each caller no more than they may see."""
    def rows(ctxt: RequestContext, filters: dict, **page: Any) -> query.Page:
        if ctxt.is_admin:
            filters.setdefault('is_public', True)
        else:
            filters.pop('is_public', None)
        return list_rows(ctxt, filters=filters, **page)
    return listing.fetch(req, rows)


def get_changes(body: dict[str, Any], kind: str, nullable: Collection[str] = ()) -> dict[str, Any]:
    """Return the columns that an update changes.

    :param kind: what the type is called in errors.
    :param nullable: columns that null empties; null leaves the others as they are.
    :raises InvalidInput: nothing is to be changed, or the name is empty.
    """
    if all(value is None for value in body.values()):
        raise exception.InvalidInput(
            reason=_('expected at least one of name, description and is_public'))
    values = {key: value for key, value in body.items() if value is not None or key in nullable}
    if values.get('name') == '':
        raise exception.InvalidInput(reason=_('the name of a %s cannot be empty') % kind)
    if 'is_public' in values:
        values['is_public'] = base.boolean(values['is_public'])
    return values
