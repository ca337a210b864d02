# SPDX-License-Identifier: Apache-2.0
"""A request, a response, and how one request runs through one handler.

The decorators only note facts on a handler; `call` and `Actions` read them, so that the order of
checks is written once. Which path leads to which handler is cinder.api.v3.router's business.
"""
import dataclasses
import datetime
import http
import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import parsing
from cinder.i18n import _

JSON = 'application/json'
VENDOR_JSON = 'application/vnd.openstack.volume+json'
HTML = 'text/html; charset=UTF-8'
VERSION_HEADER = 'OpenStack-API-Version'
STATUS_LINES = {status.value: f'{status.value} {status.phrase}' for status in http.HTTPStatus}
TRIMMED = ('name', 'description', 'display_name', 'display_description')


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


class Request:
    """One API request. Everything is read from the environment when it is first asked for.

    :ivar context: who asks (RequestContext).
    :ivar api_version: number after the dot, compare it with the constants of microversions.
    :ivar url_project: project id of the URL, or None where the URL had none.
    :ivar params: query parameters that `@wsgi.query` made typed.
    """

    __slots__ = ('_bases', '_json', '_query', '_raw', 'api_version', 'context', 'environ', 'method',
                 'params', 'url_project')

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method = environ['REQUEST_METHOD']
        self.context = environ.get('cinder.context')
        self.api_version = mv.MIN
        self.url_project = None
        self.params: dict[str, Any] = {}
        self._query = self._bases = self._raw = None
        self._json = _UNREAD

    def header(self, name: str) -> str | None:
        return self.environ.get('HTTP_' + name.upper().replace('-', '_'))

    @property
    def query(self) -> dict[str, str]:
        """Query parameters as sent; of a repeated one the last.

        :raises Invalid: bytes that are no UTF-8, or NUL.
        """
        if self._query is None:
            self._query = parsing.query(self.environ.get('QUERY_STRING', ''))
        return self._query

    @property
    def has_body(self) -> bool:
        """A body is there; one that came in chunks is read to know it."""
        environ = self.environ
        if 'chunked' in environ.get('HTTP_TRANSFER_ENCODING', ''):
            return bool(self._read())
        return environ.get('CONTENT_LENGTH', '0') not in ('', '0')

    def check_content_type(self) -> None:
        """:raises InvalidContentType: there is a body and it is no JSON, or nothing says so."""
        if self.has_body:
            sent = self.environ.get('CONTENT_TYPE', '')
            kind = sent.partition(';')[0].strip().lower()
            if not kind:
                raise exception.MissingContentType()
            if kind not in (JSON, VENDOR_JSON):
                raise exception.InvalidContentType(content_type=kind[:255])

    def json(self) -> Any:
        """The parsed body; None when there is none.

        :raises Invalid: malformed or too deep JSON, NUL characters, broken UTF-8.
        """
        if self._json is _UNREAD:
            self._json = parsing.json(self._read()) if self.has_body else None
        return self._json

    def _read(self) -> bytes:
        if self._raw is None:
            stream = self.environ['wsgi.input']
            length = self.environ.get('CONTENT_LENGTH')
            self._raw = stream.read(int(length)) if length else stream.read()
        return self._raw


_UNREAD = object()


class Response:
    """An answer.

    :param data: rendered as JSON; None is an empty body; bytes are sent as they are.
    :param headers: (name, value) pairs besides content type and length.
    """

    __slots__ = ('content_type', 'data', 'headers', 'status')

    def __init__(self, data: object = None, status: int = 200,
                 headers: Iterable[tuple[str, str]] = (), content_type: str | None = None) -> None:
        self.data = data
        self.status = status
        self.headers = list(headers)
        self.content_type = content_type

    def send(self, environ: dict[str, Any], start_response: Callable) -> list[bytes]:
        """Answer in WSGI's way."""
        data = self.data
        body = b'' if data is None else data if type(data) is bytes else dumps(data)
        kind = self.content_type
        if kind is None:
            wants_vendor = VENDOR_JSON in environ.get('HTTP_ACCEPT', '')
            kind = HTML if data is None else VENDOR_JSON if wants_vendor else JSON
        headers = [('Content-Type', kind), ('Content-Length', str(len(body))), *self.headers]
        start_response(STATUS_LINES[self.status], headers)
        return [] if environ.get('REQUEST_METHOD') == 'HEAD' else [body]


def ok(data: object = None, **kwargs: Any) -> Response:
    return Response(data, 200, **kwargs)


def unrouted(environ: Mapping[str, Any]) -> Response:
    """The 404 of a path that nobody knows: a page or a line of text, never a JSON fault."""
    if 'text/html' in environ.get('HTTP_ACCEPT', ''):
        page = b'<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>' \
               b'<p>The resource could not be found.</p></body></html>'
        return Response(page, 404, content_type=HTML)
    return Response(b'404 Not Found\n\nThe resource could not be found.\n', 404,
                         content_type='text/plain; charset=UTF-8')


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
    """For the API document: the common.Listing whose parameters the handler understands, or
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
def call(req: Request, handler: Callable, args: dict[str, str]) -> Response:
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
    return result if type(result) is Response else Response(result, spec.status)


def _checked_body(req: Request, spec: Spec) -> Any:
    data = req.json()
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
        data = req.json()
        if not isinstance(data, dict) or len(data) != 1:
            raise exception.Invalid(_('The body of an action is an object with exactly one key.'))
        key = next(iter(data))
        if key not in self.table:
            raise exception.Invalid(_('There is no such action: %s') % key[:255])
        return self.table[key]
