# SPDX-License-Identifier: Apache-2.0
"""Compiles a view, a table of fields, to a function from a row to a dictionary.

The function is cached for each microversion and set of permissions: rendering a row takes one
itemgetter and the computed fields.
"""
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from cinder.api import listings, urls, wsgi
from cinder.api import microversions as mv
from cinder.api.views import shapes

# Returned by a computed field that is to be omitted.
OMIT = object()
ADMIN = 'context_is_admin'


class Field(NamedTuple):
    """One field of a response.

    :ivar name: key in the response.
    :ivar get: column of the row (default: the name), or a function (req, row) -> value.
    :ivar since: first microversion that has the field.
    :ivar until: last microversion that has it.
    :ivar policy: rule that the caller must pass to see it.
    :ivar type: JSON schema of the value; None: the schema of the name (shapes.BY_NAME).
    """

    name: str
    get: str | Callable[[wsgi.Request, Mapping], Any] | None = None
    since: int = mv.MIN
    until: int = mv.MAX
    policy: str | None = None
    type: shapes.Shape | None = None


Renderer = Callable[[wsgi.Request, Mapping], dict[str, Any]]


class View:
    """The responses of one resource.

    :param name: key of a single resource.
    :param collection: key of a list.
    :param fields: the table.
    :param links_name: key of the next link; None for lists without links.
    """

    def __init__(self, name: str, collection: str, fields: list[Field],
                 links_name: str | None = None) -> None:
        self.name = name
        self.collection = collection
        self.fields = tuple(fields)
        self.links_name = links_name
        self._rules = tuple(sorted({row.policy for row in fields if row.policy}))
        self._renderers: dict[tuple, Renderer] = {}

    def renderer(self, req: wsgi.Request) -> Renderer:
        """Return the function (req, row) -> dictionary for this caller and microversion."""
        can = req.context.can
        key = (req.api_version, *[can(rule) for rule in self._rules])
        made = self._renderers.get(key)
        if made is None:
            granted = {rule for rule, held in zip(self._rules, key[1:], strict=True) if held}
            made = self._renderers[key] = _compile(self.fields, req.api_version, granted)
        return made

    def one(self, req: wsgi.Request, row: Mapping) -> dict[str, Any]:
        """Return {name: the resource}."""
        return {self.name: self.renderer(req)(req, row)}

    def page(self, req: wsgi.Request, page: listings.Rows) -> dict[str, Any]:
        """Return {collection: the resources}, with the next link and the count if they apply."""
        render = self.renderer(req)
        made: dict[str, Any] = {self.collection: [render(req, row) for row in page.rows]}
        if page.full and self.links_name:
            href = urls.next_link(req, page.rows[-1]['id'])
            made[self.links_name] = [{'rel': 'next', 'href': href}]
        if page.count is not None:
            made['count'] = page.count
        return made


def links(collection: str) -> Callable[[wsgi.Request, Mapping], list]:
    """Return the getter of the field `links`."""
    return lambda req, row: urls.links(req, collection, row['id'])


def _compile(fields: tuple[Field, ...], version: int, granted: set[str]) -> Renderer:
    seen = [row for row in fields if row.since <= version <= row.until
            and (row.policy is None or row.policy in granted)]
    plain = [(row.name, row.get or row.name) for row in seen if not callable(row.get)]
    computed = [(row.name, row.get) for row in seen if callable(row.get)]
    names = tuple(name for name, _column in plain)
    columns = [column for _name, column in plain]
    if len(columns) > 1:
        pick = itemgetter(*columns)
    else:
        def pick(row: Mapping) -> tuple:
            return tuple(row[column] for column in columns)

    def render(req: wsgi.Request, row: Mapping) -> dict[str, Any]:
        made = dict(zip(names, pick(row), strict=True))
        for name, get in computed:
            value = get(req, row)
            if value is not OMIT:
                made[name] = value
        return made
    return render
