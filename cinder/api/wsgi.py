# SPDX-License-Identifier: Apache-2.0
"""The request, the answers, and how one request runs through one handler.

The decorators only note facts on a handler; `call` and `Actions` read them, so that the order of
checks is written once. Which path leads to which handler is cinder.api.v3.router's business.
"""
import dataclasses
import datetime
import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
import webob

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import parsing
from cinder.i18n import _

JSON = 'application/json'
VENDOR_JSON = 'application/vnd.openstack.volume+json'
HTML = 'text/html; charset=UTF-8'
VERSION_HEADER = 'OpenStack-API-Version'
TRIMMED = ('name', 'description', 'display_name', 'display_description')
_UNREAD = object()


def _plain(value: object) -> object:
    """What orjson cannot write itself: times, whose point it would leave out where nothing comes
    behind, and the sums that PostgreSQL gives as Decimal."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec='microseconds')
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def dumps(data: object) -> bytes:
    """JSON bytes; naive times become ISO text without a zone, with six digits after the point."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


class Request(webob.Request):
    """One API request. What WebOb reads differently from what clients rely on is read here.

    :ivar context: who asks (RequestContext).
    :ivar api_version: number after the dot, compare it with the constants of microversions.
    :ivar url_project: project id of the URL, or None where the URL had none.
    :ivar params: query parameters that `@wsgi.query` made typed.
    :ivar router: the dispatch.Router that found the handler, by which links are made.
    :ivar links: collection -> what its links begin with, once they were asked for.
    """

    # WebOb keeps attributes that it does not know in the environment.
    __setattr__ = object.__setattr__
    params: Mapping[str, Any] = types.MappingProxyType({})

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.context = environ.get('cinder.context')
        self.api_version = mv.MIN
        self.url_project: str | None = None
        self.router: Any = None
        self.links: dict[str, tuple[str, str]] = {}
        self._query = self._body = None
        self._json = _UNREAD

    @property
    def query(self) -> dict[str, str]:
        """Query parameters as sent; of a repeated one the last.

        :raises Invalid: bytes that are no UTF-8, or NUL.
        """
        if self._query is None:
            self._query = parsing.query(self.query_string)
        return self._query

    @property
    def has_body(self) -> bool:
        """A body is there; one that came in chunks is read to know it."""
        if 'chunked' in self.environ.get('HTTP_TRANSFER_ENCODING', ''):
            return bool(self.body)
        return self.environ.get('CONTENT_LENGTH', '0') not in ('', '0')

    @property
    def body(self) -> bytes:
        """The body. WebOb's own is empty for chunks of which the server does not say that they end,
        and copies what is longer than 10 KiB to a file."""
        if self._body is None:
            length = self.environ.get('CONTENT_LENGTH')
            self._body = self.body_file_raw.read(*[int(length)] if length else [])
        return self._body

    @property
    def json(self) -> Any:
        """The parsed body; None when there is none.

        :raises Invalid: malformed or too deep JSON, NUL characters, broken UTF-8.
        """
        if self._json is _UNREAD:
            self._json = parsing.json(self.body) if self.has_body else None
        return self._json

    json_body = json

    def check_content_type(self) -> None:
        """:raises InvalidContentType: there is a body and it is no JSON, or nothing says so."""
        if self.has_body:
            kind = self.content_type.strip().lower()
            if not kind:
                raise exception.MissingContentType()
            if kind not in (JSON, VENDOR_JSON):
                raise exception.InvalidContentType(content_type=kind[:255])


def respond(environ: Mapping[str, Any], data: object = None, status: int = 200,
            headers: Iterable[tuple[str, str]] = ()) -> webob.Response:
    """An answer in JSON, of the kind that the request accepts.

    :param environ: of the request.
    :param data: what is rendered; None is an empty body.
    :param headers: (name, value) pairs besides content type and length.
    """
    if data is None:
        return webob.Response(b'', status, [
            ('Content-Type', HTML), ('Content-Length', '0'), *headers])
    kind = VENDOR_JSON if VENDOR_JSON in environ.get('HTTP_ACCEPT', '') else JSON
    return webob.Response(dumps(data), status, [('Content-Type', kind), *headers])


def unrouted(environ: Mapping[str, Any]) -> webob.Response:
    """The 404 of a path that nobody knows: a page or a line of text, never a JSON fault."""
    if 'text/html' in environ.get('HTTP_ACCEPT', ''):
        page = '<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>' \
               '<p>The resource could not be found.</p></body></html>'
        return webob.Response(page, 404)
    return webob.Response('404 Not Found\n\nThe resource could not be found.\n', 404,
                          content_type='text/plain')


# ------------------------------------------------------------------ what handlers say of themselves
@dataclasses.dataclass(slots=True)
class Spec:
    """Facts of a handler, collected by the decorators below."""

    since: int = mv.MIN
    until: int | None = None
    status: int = 200
    schemas: tuple = ()
    key: str | None = None
    optional: bool = False
    query: Mapping[str, tuple[int, Callable[[str, str], Any]]] | None = None
    listing: Any = None
    shape: Any = None
    media: str | None = None
    errors: tuple[int, ...] = ()


def spec_of(handler: Callable) -> Spec:
    """The facts of a handler; empty ones for a handler without decorators."""
    if not hasattr(handler, 'spec'):
        handler.spec = Spec()
    return handler.spec


def _noting(**facts: Any) -> Callable:
    def decorate(handler: Callable) -> Callable:
        spec = spec_of(handler)
        for name, value in facts.items():
            setattr(spec, name, value)
        return handler
    return decorate


def versions(since: int, until: int | None = None) -> Callable:
    """The handler exists from microversion `since` to `until` inclusive; 404 outside."""
    return _noting(since=since, until=until)


def response(status: int = 200, shape: Any = None, media: str | None = None) -> Callable:
    """What the handler answers.

    :param status: HTTP status when it returns plain data or None (an empty body).
    :param shape: for the API document: `VIEW.one`, `VIEW.page` or `VIEW.renderer` of the view
        that renders it, a JSON schema, or [(since, schema), ...] in rising order; None: no body.
    :param media: a content type that it may have besides JSON.
    """
    return _noting(status=status, shape=shape, media=media)


def errors(*codes: int) -> Callable:
    """For the API document: statuses besides those that every such request may have."""
    return _noting(errors=codes)


def query(**params: Any) -> Callable:
    """Typed query parameters: name=converter(name, text), or name=(since, converter) for one that
    older requests ignore; found ones are put in req.params."""
    rows = {name: row if isinstance(row, tuple) else (mv.MIN, row) for name, row in params.items()}
    return _noting(query=types.MappingProxyType(rows))


def listing(description: Any) -> Callable:
    """For the API document: the listings.Listing whose parameters the handler understands, or
    [(since, Listing), ...] in rising order."""
    return _noting(listing=description)


def body(schemas: object, key: str | None = None, optional: bool = False) -> Callable:
    """The handler takes a body, handed to it as the argument `body`.

    :param schemas: a JSON schema of the whole body, or a list [(since, schema), ...] in rising
        order; the last one whose version the request has reached is used.
    :param key: name of the top level key whose value is handed over; None hands over all.
    :param optional: without a body the handler gets an empty object.
    """
    rows = [(mv.MIN, schemas)] if isinstance(schemas, dict) else schemas
    compiled = tuple((since, Schema(schema)) for since, schema in rows)
    return _noting(schemas=compiled[::-1], key=key, optional=optional)


class Schema:
    """A JSON schema, compiled when it is first used and then kept."""

    __slots__ = ('_check', 'schema')

    def __init__(self, schema: dict) -> None:
        self.schema = schema
        self._check = None

    def check(self, data: object) -> None:
        """:raises Invalid: naming the field, the refused value and the reason."""
        if self._check is None:
            from cinder.api.schemas import checks
            self._check = checks.compiled(self.schema)
        self._check(data)


# -------------------------------------------------------------------------------- running a handler
def call(req: Request, handler: Callable, args: dict[str, str]) -> webob.Response:
    """Run a handler: version window, query, body schema, then the handler itself.

    :param args: values of the path's placeholders.
    :raises CinderException: whatever is wrong with the request.
    """
    spec = handler.spec
    if req.api_version < spec.since or (spec.until is not None and req.api_version > spec.until):
        raise exception.VersionNotFoundForAPIMethod()
    if spec.query:
        sent = req.query
        req.params = {name: convert(name, sent[name])
                      for name, (since, convert) in spec.query.items()
                      if name in sent and since <= req.api_version}
    if spec.schemas:
        args = {**args, 'body': _checked_body(req, spec)}
    result = handler(req, **args)
    if isinstance(result, webob.Response):
        return result
    return respond(req.environ, result, spec.status)


def _checked_body(req: Request, spec: Spec) -> Any:
    data = req.json
    if data is None and spec.optional:
        return {}
    if not isinstance(data, dict):
        raise exception.Invalid(_('The request needs a JSON object as its body.'))
    for since, schema in spec.schemas:
        if since <= req.api_version:
            schema.check(data)
            break
    inner = data[spec.key] if spec.key is not None else data
    if isinstance(inner, dict):
        for name in TRIMMED:
            value = inner.get(name)
            if isinstance(value, str):
                inner[name] = value.strip()
    return inner


class Actions:
    """The POST .../action of a resource: the one key of the body chooses the handler.

    :param table: action key -> handler.
    """

    def __init__(self, table: Mapping[str, Callable]) -> None:
        self.table = table
        for handler in table.values():
            spec_of(handler)

    def handler(self, req: Request) -> Callable:
        """:raises Invalid: no body, no object, not exactly one key, or an unknown key."""
        data = req.json
        if not isinstance(data, dict) or len(data) != 1:
            raise exception.Invalid(_('The body of an action is an object with exactly one key.'))
        key = next(iter(data))
        if key not in self.table:
            raise exception.Invalid(_('There is no such action: %s') % key[:255])
        return self.table[key]
