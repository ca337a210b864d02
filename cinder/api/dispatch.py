# SPDX-License-Identifier: Apache-2.0
"""From a URL to a handler, and through it: the WSGI application below /v3.

Routes (the library) finds the row of a path and makes the URL of a row. Which rows there are is
the table of cinder.api.v3.router.
"""
import collections
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import routes
import webob

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import parsing, versions, wsgi
from cinder.conf import CONF
from cinder.i18n import _

Target = Callable | wsgi.Actions
# Placeholders of names that may hold slashes. At the end of a path they stand for all the rest of
# it, as it was sent: also a `.json` belongs to the name.
NAMES = frozenset(('key', 'host_name', 'cluster_name', 'quota_class_name'))
_ENDS = tuple(f'{{{name}}}' for name in NAMES)
FORMAT = '.json'
# Methods that a collection and a member have by nature: a known path without one of them is
# answered as an unknown thing, with a JSON fault; any other method as an unknown path.
_NATURAL = {False: frozenset(('GET', 'POST')), True: frozenset(('GET', 'PUT', 'DELETE'))}
# Several slashes are one, but in a name; no row has more segments before one.
_SLASHES, _DEEPEST = re.compile('//+'), 6
_VERSION_HEADERS = {
    number: [(wsgi.VERSION_HEADER, f'volume {mv.text(number)}'), ('Vary', wsgi.VERSION_HEADER)]
    for number in mv.HISTORY}


class _Route(routes.route.Route):
    """A row of the table; its name is its path there."""

    def buildfullreg(self, *args: Any, **kwargs: Any) -> str:
        """The library's pattern, but to the very end: its own takes a line feed more."""
        return super().buildfullreg(*args, **kwargs).removesuffix('$') + r'\Z'


class _Mapper(routes.Mapper):
    """The rows that begin with the same segment."""

    make_route = _Route

    def __init__(self) -> None:
        super().__init__(controller_scan=None, register=False)

    def routematch(self, url: str) -> tuple[dict[str, str], _Route] | None:
        """As the library does it, without prefixes, sub-domains and conditions: a fifth of its
        time. At most one row fits."""
        for row in self.matchlist:
            found = row.regmatch.match(url)
            if found:
                return found.groupdict(), row
        return None


class Router:
    """A mapper for each first segment: to find a path costs the same among few rows and many.

    :param paths: rows of the table; '{name}' in one stands for any one segment.
    :raises ValueError: a row is there twice, or calls a placeholder by another name.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        found: dict[str, _Mapper] = collections.defaultdict(_Mapper)
        rows = [path.rstrip('/') for path in paths]
        for path in rows:
            if rows.count(path) > 1:
                raise ValueError(f'{path} is there twice')
            requirements = {match[1]: _requirement(rows, path, match)
                            for match in re.finditer(r'{(\w+)}', path)}
            end = '' if path.endswith(_ENDS) else '{.format:json}'
            found[path.split('/')[1]].connect(path, path + end, requirements=requirements)
        self.mappers = dict(found)
        # What is before the id in the URL of a collection's member, from behind the project on.
        self.members: dict[str, str] = {}
        for first, mapper in found.items():
            mapper.create_regs()
            for row in mapper.matchlist:
                member = re.fullmatch(r'/[^/]+/{(\w+)}', row.name)
                if member:
                    self.members[first] = mapper.generate(row, **{member[1]: ''})

    def find(self, path: str) -> tuple[str | None, dict[str, str]]:
        """The row of a path, which begins with no slash and may end in FORMAT; its placeholders."""
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
    """What a placeholder may be: none of the words that other rows have in its place."""
    before = path[:placeholder.start()]
    words = {row[len(before):].split('/')[0] for row in rows if row.startswith(before)}
    names = {word for word in words if word.startswith('{')}
    if len(names) > 1:
        raise ValueError(f'{path}: placeholder {placeholder[1]} has another name elsewhere')
    rest = path.endswith(_ENDS) and placeholder.end() == len(path)
    others = '|'.join(map(re.escape, sorted(words - names)))
    return (f'(?!(?:{others})(?:/|\\Z))' if others else '') + ('(?s:.+)' if rest else '[^/]+?')


class Application:
    """The WSGI application of a table of routes.

    :param table: path -> {method: handler or Actions}.
    :param project_regex: what a project id at the start of a path looks like.
    """

    def __init__(self, table: Mapping[str, Mapping[str, Target]],
                 project_regex: str | None = None) -> None:
        self.project = re.compile(project_regex or CONF.project_id_regex)
        self.table = table
        self.router = Router(table)
        for methods in table.values():
            for handler in methods.values():
                if not isinstance(handler, wsgi.Actions):
                    wsgi.spec_of(handler)

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return self._answer(wsgi.Request(environ))(environ, start_response)

    def _answer(self, req: wsgi.Request) -> webob.Response:
        req.router = self.router
        path = parsing.latin(req.environ.get('PATH_INFO', '')).lstrip('/')
        first, _slash, rest = path.partition('/')
        first = first.removesuffix(FORMAT)
        if first not in self.router.mappers and self.project.fullmatch(first):
            req.url_project, path = first, rest.lstrip('/')
        if not path:
            self._check_project(req)
            return versions.below_v3(req)
        row, args = self.router.find(path)
        target = self.table[row].get(req.method) if row else None
        if target is None and (row is None or req.method not in _NATURAL[row.endswith('}')]):
            return wsgi.unrouted(req.environ)
        response = self.run(req, target, args)
        response.headerlist.extend(_VERSION_HEADERS[req.api_version])
        return response

    def run(self, req: wsgi.Request, target: Target | None,
            args: dict[str, str]) -> webob.Response:
        """The checks that come before a handler, in the order clients rely on; then the handler."""
        req.api_version = parsing.negotiate(req.environ.get('HTTP_OPENSTACK_API_VERSION'))
        # The fault middleware puts the version on faults too.
        req.environ['cinder.version_headers'] = _VERSION_HEADERS[req.api_version]
        req.check_content_type()
        if isinstance(target, wsgi.Actions):
            target = target.handler(req)
        elif target is not None and target.spec.schemas:
            req.json  # noqa: B018 - malformed JSON comes before a wrong project
        self._check_project(req)
        if target is None:
            raise exception.NotFound()
        return wsgi.call(req, target, args)

    @staticmethod
    def _check_project(req: wsgi.Request) -> None:
        if req.url_project is not None and req.url_project != req.context.project_id:
            raise exception.Invalid(_('Malformed request URL: the project of the URL is not '
                                      'the project of the token.'))
