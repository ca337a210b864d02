# SPDX-License-Identifier: Apache-2.0
"""The request, the response, and how a request runs through a handler.

The decorators store the properties of a handler in its Spec; `call` and `Actions` use them, so that
the order of checks is defined once. cinder.api.v3.router maps paths to handlers.
"""
import dataclasses
import datetime
import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

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
    """Convert values that orjson does not support: times, always with microseconds, and Decimal,
    which PostgreSQL returns for sums."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec='microseconds')
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def dumps(data: object) -> bytes:
    """Return JSON bytes; naive times become ISO 8601 without a zone, with six decimal places."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


class Request(webob.Request):
    """An API request. Properties that WebOb parses differently from what clients expect are here.

    :ivar context: the RequestContext of the caller.
    :ivar api_version: number after the dot; compare it with the constants of microversions.
    :ivar url_project: project id of the URL; None if the URL has none.
    :ivar params: query parameters that `@wsgi.query` converted.
    :ivar router: the dispatch.Router that found the handler; generates links.
    :ivar links: collection -> start of its links, as a cache.
    """

    # WebOb would store unknown attributes in the environment.
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
        """Return the query parameters as sent; of a repeated one, the last.

        :raises Invalid: not valid UTF-8, or NUL.
        """
        if self._query is None:
            self._query = parsing.parse_query(self.query_string)
        return self._query

    @property
    def has_body(self) -> bool:
        """Return whether there is a body; a chunked one is read to find out."""
        if 'chunked' in self.environ.get('HTTP_TRANSFER_ENCODING', ''):
            return bool(self.body)
        return self.environ.get('CONTENT_LENGTH', '0') not in ('', '0')

    @property
    def body(self) -> bytes:
        """Return the body. The property of WebOb is empty for chunks of some servers, and copies
        a body of more than 10 KiB to a file."""
        if self._body is None:
            length = self.environ.get('CONTENT_LENGTH')
            self._body = self.body_file_raw.read(*[int(length)] if length else [])
        return self._body

    @property
    def json(self) -> Any:
        """Return the parsed body; None without a body.

        :raises Invalid: JSON that is malformed or too deep, NUL characters, invalid UTF-8.
        """
        if self._json is _UNREAD:
            self._json = parsing.parse_json(self.body) if self.has_body else None
        return self._json

    json_body = json

    def replace_json(self, data: Any) -> None:
        """Let a further handler of the request see another body."""
        self._json = data

    def read_again(self) -> None:
        """Let the next handler parse the body again, because one may have changed it."""
        self._json = _UNREAD

    def check_content_type(self) -> None:
        """:raises InvalidContentType: there is a body, but its content type is not JSON."""
        if self.has_body:
            kind = self.content_type.strip().lower()
            if not kind:
                raise exception.MissingContentType()
            if kind not in (JSON, VENDOR_JSON):
                raise exception.InvalidContentType(content_type=kind[:255])


def respond(environ: Mapping[str, Any], data: object = None, status: int = 200,
            headers: Iterable[tuple[str, str]] = ()) -> webob.Response:
    """Create a JSON response, with the content type that the request accepts.

    :param environ: environment of the request.
    :param data: content; None: an empty body.
    :param headers: (name, value) pairs besides content type and length.
    """
    if data is None:
        return webob.Response(b'', status, [
            ('Content-Type', HTML), ('Content-Length', '0'), *headers])
    kind = VENDOR_JSON if VENDOR_JSON in environ.get('HTTP_ACCEPT', '') else JSON
    return webob.Response(dumps(data), status, [('Content-Type', kind), *headers])


def not_found_response(environ: Mapping[str, Any]) -> webob.Response:
    """Create the 404 response for an unknown path: HTML or text, never a JSON fault."""
    if 'text/html' in environ.get('HTTP_ACCEPT', ''):
        page = '<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>' \
               '<p>The resource could not be found.</p></body></html>'
        return webob.Response(page, 404)
    return webob.Response('404 Not Found\n\nThe resource could not be found.\n', 404,
                          content_type='text/plain')


# --------------------------------------------------------------------------- properties of handlers
@dataclasses.dataclass(slots=True)
class Spec:
    """Properties of a handler, set by the decorators below."""

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
    streams: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    headers: Mapping[str, str] | None = None
    resume: Callable[['Request', str], Any] | None = None


class Handler(Protocol):
    """A function that handles a request, with the properties that its decorators set."""

    spec: Spec

    def __call__(self, req: 'Request', /, *args: Any, **kwargs: Any) -> Any:
        """Return what the response is made of."""


def get_spec(handler: Any) -> Spec:
    """Return the properties of a handler; the defaults for one without decorators."""
    if not hasattr(handler, 'spec'):
        handler.spec = Spec()
    return handler.spec


def _set_spec(**facts: Any) -> Callable:
    def decorate(handler: Callable) -> Callable:
        spec = get_spec(handler)
        for name, value in facts.items():
            setattr(spec, name, value)
        return handler
    return decorate


def versions(since: int, until: int | None = None) -> Callable:
    """Make the handler available from microversion `since` to `until` inclusive; 404 outside."""
    return _set_spec(since=since, until=until)


def response(status: int = 200, shape: Any = None, media: str | None = None,
             streams: tuple[str, ...] = ()) -> Callable:
    """Describe the response of the handler.

    :param status: HTTP status if the handler returns plain data or None (an empty body).
    :param shape: for the API document: `VIEW.one`, `VIEW.page` or `VIEW.renderer` of the view
        that renders it, a JSON schema, or [(since, schema), ...] in rising order; None: no body.
    :param media: a further content type besides JSON.
    :param streams: content types of other forms of the content, which the request may accept.
    """
    return _set_spec(status=status, shape=shape, media=media, streams=streams)


def errors(*codes: int) -> Callable:
    """For the API document: error statuses besides those that every such request may have."""
    return _set_spec(errors=codes)


def headers(**described: str) -> Callable:
    """For the API document: headers that a successful response may have, and what they mean."""
    return _set_spec(headers=described)


def resumed(resume: Callable[[Request, str], Any]) -> Callable:
    """Set what a repeated request does whose first process was killed after it had called another
    service.

    :param resume: function (req, id of what was created) that returns the response.
    """
    return _set_spec(resume=resume)


def query(**params: Any) -> Callable:
    """Convert query parameters into req.params: name=converter(name, text), or
    name=(since, converter) for a parameter that is ignored below a microversion."""
    rows = {name: row if isinstance(row, tuple) else (mv.MIN, row) for name, row in params.items()}
    return _set_spec(query=types.MappingProxyType(rows))


def listing(description: Any) -> Callable:
    """For the API document: the listings.Listing of the handler, or [(since, Listing), ...] in
    rising order."""
    return _set_spec(listing=description)


def body(schemas: Any, key: str | None = None, optional: bool = False) -> Callable:
    """Pass the body to the handler as argument `body`, after a check of its schema.

    :param schemas: JSON schema of the whole body, or a list [(since, schema), ...] in rising
        order; the last one that is not newer than the request is used.
    :param key: top-level key whose value is passed; None: the whole body.
    :param optional: without a body, the handler gets an empty object.
    """
    rows = [(mv.MIN, schemas)] if isinstance(schemas, dict) else schemas
    compiled = tuple((since, Schema(schema)) for since, schema in rows)
    return _set_spec(schemas=compiled[::-1], key=key, optional=optional)


class Schema:
    """A JSON schema, compiled at the first use."""

    __slots__ = ('_check', 'schema')

    def __init__(self, schema: dict) -> None:
        self.schema = schema
        self._check = None

    def check(self, data: object) -> None:
        """:raises Invalid: names the field, the value and the reason."""
        if self._check is None:
            from cinder.api.schemas import checks
            self._check = checks.compile_check(self.schema)
        self._check(data)


# ------------------------------------------------------------------------------ running a handler
def call(req: Request, handler: Handler, args: dict[str, str]) -> webob.Response:
    """Run a handler: check the microversion, convert the query, check the body, call the handler.

    :param args: values of the placeholders in the path.
    :raises CinderException: the request is not valid, or the handler failed.
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
    """The POST .../action of a resource: the single key of the body selects the handler.

    :param table: action key -> handler.
    """

    def __init__(self, table: Mapping[str, Handler]) -> None:
        self.table = table
        for handler in table.values():
            get_spec(handler)

    def handler(self, req: Request) -> Handler:
        """:raises Invalid: the body is not an object with exactly one, known, key."""
        data = req.json
        if not isinstance(data, dict) or len(data) != 1:
            raise exception.Invalid(_('The body of an action must be an object with one key.'))
        key = next(iter(data))
        if key not in self.table:
            raise exception.Invalid(_('Unknown action: %s') % key[:255])
        return self.table[key]
