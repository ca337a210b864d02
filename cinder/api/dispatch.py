# SPDX-License-Identifier: Apache-2.0
"""Finds the handler of a URL and runs it: the WSGI application below /v3.

The library Routes matches paths and generates URLs. The table of routes is in cinder.api.v3.router.
"""
import collections
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import routes
import webob

from cinder import exception, injected_faults
from cinder.api import faults, idempotency, parsing, prefer, versions, wsgi
from cinder.api import microversions as mv
from cinder.api.middleware import measured
from cinder.conf import CONF
from cinder.i18n import _

Target = wsgi.Handler | wsgi.Actions
# Placeholders of names that may contain slashes. At the end of a path they match the whole rest of
# it, unchanged: a `.json` belongs to the name.
NAMES = frozenset(('key', 'host_name', 'cluster_name', 'quota_class_name'))
_ENDS = tuple(f'{{{name}}}' for name in NAMES)
FORMAT = '.json'
# Methods that collections and members usually have: on a known path, a missing one of them is
# answered with a JSON fault; any other method is answered like an unknown path.
_NATURAL = {False: frozenset(('GET', 'POST')), True: frozenset(('GET', 'PUT', 'DELETE'))}
# Several slashes count as one, except in a name; no row has more segments before a name.
_SLASHES, _DEEPEST = re.compile('//+'), 6
# Method -> how a handler runs with an idempotency key.
_KEYED = {'POST': idempotency.call, 'DELETE': idempotency.delete}
_VERSION_HEADERS = {
    number: [(wsgi.VERSION_HEADER, f'volume {mv.text(number)}'), ('Vary', wsgi.VERSION_HEADER)]
    for number in mv.HISTORY}


class _Route(routes.route.Route):
    """A row of the table, named by its path."""

    def buildfullreg(self, *args: Any, **kwargs: Any) -> str:
        """Return the pattern of the library, but without its match of a final line feed."""
        return super().buildfullreg(*args, **kwargs).removesuffix('$') + r'\Z'


class _Mapper(routes.Mapper):
    """The rows that begin with the same segment."""

    make_route = _Route

    def __init__(self) -> None:
        super().__init__(controller_scan=None, register=False)

    def routematch(self, url: str) -> tuple[dict[str, str], _Route] | None:
        """Match like the library, but without prefixes, sub-domains and conditions, in a fifth of
        the time. At most one row matches."""
        for row in self.matchlist:
            found = row.regmatch.match(url)
            if found:
                return found.groupdict(), row
        return None


class Router:
    """One mapper for each first segment, so that the time of a match does not depend on the number
    of rows.

    :param paths: rows of the table; '{name}' matches any one segment.
    :raises ValueError: a row is duplicated, or names a placeholder differently from another one.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        found: dict[str, _Mapper] = collections.defaultdict(_Mapper)
        rows = [path.rstrip('/') for path in paths]
        for path in rows:
            if rows.count(path) > 1:
                raise ValueError(f'{path} is duplicated')
            requirements = {match[1]: _requirement(rows, path, match)
                            for match in re.finditer(r'{(\w+)}', path)}
            end = '' if path.endswith(_ENDS) else '{.format:json}'
            found[path.split('/')[1]].connect(path, path + end, requirements=requirements)
        self.mappers = dict(found)
        # First segment -> URL of a member of that collection, without project and id.
        self.members: dict[str, str] = {}
        for first, mapper in found.items():
            mapper.create_regs()
            for row in mapper.matchlist:
                member = re.fullmatch(r'/[^/]+/{(\w+)}', row.name)
                if member:
                    self.members[first] = mapper.generate(row, **{member[1]: ''})

    def find(self, path: str) -> tuple[str | None, dict[str, str]]:
        """Return the row of a path without leading slash, and the values of its placeholders."""
        mapper = self.mappers.get(path.partition('/')[0].removesuffix(FORMAT))
        for _run in range(_DEEPEST if mapper else 0):
            found = mapper.routematch(f'/{path}')
            if found:
                args, row = found
                args.pop('format', None)
                return row.name, args
            sent, path = path, _SLASHES.sub('/', path, count=1)
            if path == sent:
                break
        return None, {}


def _requirement(rows: list[str], path: str, placeholder: re.Match) -> str:
    """Return the pattern of a placeholder, which excludes the words of other rows in its place."""
    before = path[:placeholder.start()]
    words = {row[len(before):].split('/')[0] for row in rows if row.startswith(before)}
    names = {word for word in words if word.startswith('{')}
    if len(names) > 1:
        raise ValueError(f'{path}: placeholder {placeholder[1]} has another name in another row')
    rest = path.endswith(_ENDS) and placeholder.end() == len(path)
    others = '|'.join(map(re.escape, sorted(words - names)))
    return (f'(?!(?:{others})(?:/|\\Z))' if others else '') + ('(?s:.+)' if rest else '[^/]+?')


class Application:
    """The WSGI application of a table of routes.

    :param table: path -> {method: handler or Actions}.
    :param project_regex: pattern of a project id at the start of a path.
    """

    def __init__(self, table: Mapping[str, Mapping[str, Target]],
                 project_regex: str | None = None) -> None:
        self.project = re.compile(project_regex or CONF.project_id_regex)
        self.table = table
        self.router = Router(table)
        for methods in table.values():
            for handler in methods.values():
                if not isinstance(handler, wsgi.Actions):
                    wsgi.get_spec(handler)

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return self._answer(wsgi.Request(environ))(environ, start_response)

    def _answer(self, req: wsgi.Request) -> webob.Response:
        req.router = self.router
        path = parsing.decode_latin(req.environ.get('PATH_INFO', '')).lstrip('/')
        first, _slash, rest = path.partition('/')
        first = first.removesuffix(FORMAT)
        if first not in self.router.mappers and self.project.fullmatch(first):
            req.url_project, path = first, rest.lstrip('/')
        if not path:
            self._check_project(req)
            return versions.show_v3(req)
        row, args = self.router.find(path)
        if row:
            req.environ[measured.ROUTE] = row
        target = self.table[row].get(req.method) if row else None
        if target is None and (row is None or req.method not in _NATURAL[row.endswith('}')]):
            return wsgi.not_found_response(req.environ)
        response = self.run(req, target, args)
        response.headerlist.extend(_VERSION_HEADERS[req.api_version])
        return response

    def run(self, req: wsgi.Request, target: Target | None,
            args: dict[str, str]) -> webob.Response:
        """Run the checks before a handler, in the order that clients rely on, and the handler."""
        req.api_version = parsing.negotiate_version(req.environ.get('HTTP_OPENSTACK_API_VERSION'))
        # The fault middleware adds the headers to faults.
        req.environ['cinder.version_headers'] = _VERSION_HEADERS[req.api_version]
        req.check_content_type()
        if isinstance(target, wsgi.Actions):
            target = target.handler(req)
        elif target is not None and target.spec.schemas:
            req.json  # noqa: B018 - malformed JSON is reported before a wrong project
        self._check_project(req)
        if target is None:
            raise exception.NotFound()
        if injected_faults.are_there():
            return faults.call(req, lambda: self._called(req, target, args))
        return self._called(req, target, args)

    @staticmethod
    def _called(req: wsgi.Request, target: wsgi.Handler, args: dict[str, str]) -> webob.Response:
        call = wsgi.call
        if 'HTTP_IDEMPOTENCY_KEY' in req.environ:
            call = _KEYED.get(req.method, call)
        seconds = prefer.wanted_seconds(req.environ.get('HTTP_PREFER'))
        if not seconds:
            return call(req, target, args)
        req.context.accepted = []
        return prefer.answer(req, target, call(req, target, args), seconds)

    @staticmethod
    def _check_project(req: wsgi.Request) -> None:
        if req.url_project is not None and req.url_project != req.context.project_id:
            raise exception.Invalid(_('Malformed request URL: the project of the URL is not '
                                      'the project of the token.'))
