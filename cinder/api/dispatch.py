# SPDX-License-Identifier: Apache-2.0
"""From a URL to a handler, and through it: the WSGI application below /v3.

Paths are a tree of segments, so the cost of finding one does not depend on how many there are.
Which paths there are is the table of cinder.api.v3.router.
"""
import re
from collections.abc import Callable, Mapping
from typing import Any

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import parsing, versions, wsgi
from cinder.conf import CONF
from cinder.i18n import _

Target = Callable | wsgi.Actions
# Placeholders of names that may hold slashes. At the end of a path they stand for all the rest of
# it, as it was sent: also a `.json` belongs to the name.
NAMES = frozenset(('key', 'host_name', 'cluster_name', 'quota_class_name'))
FORMAT = '.json'
# Methods that a collection and a member have by nature: a known path without one of them is
# answered as an unknown thing, with a JSON fault; any other method as an unknown path.
_NATURAL = {False: frozenset(('GET', 'POST')), True: frozenset(('GET', 'PUT', 'DELETE'))}
_VERSION_HEADERS = {
    number: [(wsgi.VERSION_HEADER, f'volume {mv.text(number)}'), ('Vary', wsgi.VERSION_HEADER)]
    for number in mv.HISTORY}


class Node:
    """One place in the tree of paths."""

    __slots__ = ('child', 'is_member', 'methods', 'placeholder', 'words')

    def __init__(self, is_member: bool = False) -> None:
        self.words: dict[str, Node] = {}
        self.child: Node | None = None
        self.placeholder = ''
        self.methods: Mapping[str, Target] = {}
        self.is_member = is_member

    def add(self, path: str, methods: Mapping[str, Target]) -> None:
        """Enter a row of the table; '{name}' in `path` stands for any one segment."""
        node = self
        for segment in path.strip('/').split('/'):
            if segment.startswith('{'):
                if node.child is None:
                    node.child, node.placeholder = Node(True), segment[1:-1]
                if node.placeholder != segment[1:-1]:
                    raise ValueError(f'{path}: placeholder {node.placeholder} is there already')
                node = node.child
            else:
                node = node.words.setdefault(segment, Node())
        if node.methods:
            raise ValueError(f'{path} is there twice')
        node.methods = methods

    @property
    def takes_rest(self) -> bool:
        """Whether what follows is one name up to the end of the path."""
        return self.placeholder in NAMES and not (self.child.words or self.child.child)

    def find(self, segments: list[str]) -> tuple['Node | None', dict[str, str]]:
        """The node of a path, which may end in FORMAT, and the values of its placeholders; several
        slashes are one, but in a name."""
        node, args, last = self, {}, len(segments) - 1
        for index, sent in enumerate(segments):
            if not sent and index < last and not node.takes_rest:
                continue
            segment = sent.removesuffix(FORMAT) if index == last else sent
            step = node.words.get(segment)
            if step is not None:
                node = step
                continue
            if node.child is None or segments[index:] == ['']:
                return None, args
            args[node.placeholder] = '/'.join(segments[index:]) if node.takes_rest else segment
            if node.takes_rest:
                return node.child, args
            node = node.child
        return (node if node.methods else None), args


class Application:
    """The WSGI application of a table of routes.

    :param routes: path -> {method: handler or Actions}.
    :param project_regex: what a project id at the start of a path looks like.
    """

    def __init__(self, routes: Mapping[str, Mapping[str, Target]],
                 project_regex: str | None = None) -> None:
        self.project = re.compile(project_regex or CONF.project_id_regex)
        self.root = Node()
        for path, methods in routes.items():
            self.root.add(path, methods)
            for handler in methods.values():
                if not isinstance(handler, wsgi.Actions):
                    wsgi.spec_of(handler)

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> list[bytes]:
        req = wsgi.Request(environ)
        segments = parsing.latin(environ.get('PATH_INFO', '')).lstrip('/').split('/')
        first = segments[0].removesuffix(FORMAT)
        if first not in self.root.words and self.project.fullmatch(first):
            req.url_project = first
            del segments[0]
        if not any(segments):
            self._check_project(req)
            return versions.below_v3(req).send(environ, start_response)
        node, args = self.root.find(segments)
        target = node.methods.get(req.method) if node else None
        if target is None and (node is None or req.method not in _NATURAL[node.is_member]):
            return wsgi.unrouted(environ).send(environ, start_response)
        response = self.run(req, target, args)
        response.headers += _VERSION_HEADERS[req.api_version]
        return response.send(environ, start_response)

    def run(self, req: wsgi.Request, target: Target | None,
            args: dict[str, str]) -> wsgi.Response:
        """The checks that come before a handler, in the order clients rely on; then the handler."""
        req.api_version = parsing.negotiate(req.header(wsgi.VERSION_HEADER))
        # The fault middleware puts the version on faults too.
        req.environ['cinder.version_headers'] = _VERSION_HEADERS[req.api_version]
        req.check_content_type()
        if isinstance(target, wsgi.Actions):
            target = target.handler(req)
        elif target is not None and target.spec.schemas:
            req.json()
        self._check_project(req)
        if target is None:
            raise exception.NotFound()
        return wsgi.call(req, target, args)

    @staticmethod
    def _check_project(req: wsgi.Request) -> None:
        if req.url_project is not None and req.url_project != req.context.project_id:
            raise exception.Invalid(_('Malformed request URL: the project of the URL is not '
                                      'the project of the token.'))
