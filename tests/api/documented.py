# SPDX-License-Identifier: Apache-2.0
"""Holds every answer that a test gets against the API document: its status is named there, its
body has the shape told there. So the document is as true as the tests are many."""
import functools
import json
import urllib.parse

import jsonschema

from cinder.api import dispatch, openapi, parsing
from cinder.api.v3 import router

# What the checks before any handler may answer on their own.
BEFORE = {400, 401, 404, 406, 412, 413, 415}


@functools.cache
def _routed():
    application = dispatch.Application(router.ROUTES, r'[0-9a-f\-]+')
    table = {(each.method, each.path, each.action): each
             for each in openapi.list_operations(router.ROUTES)}
    return application, table


def operation(method: str, path: str, body: bytes) -> openapi.Operation | None:
    """The operation behind a URL below /v3, with or without its project."""
    application, table = _routed()
    path = urllib.parse.unquote(path.partition('?')[0]).lstrip('/')
    first, _slash, rest = path.partition('/')
    row, _args = application.router.find(
        rest if rest and application.project.fullmatch(first) else path)
    if row is None:
        return None
    place = method, row
    if (*place, None) in table:
        return table[(*place, None)]
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return None
    action = next(iter(sent), None) if isinstance(sent, dict) else None
    return table.get((*place, action))


@functools.cache
def _validators(each: openapi.Operation, version: int) -> list[jsonschema.Draft202012Validator]:
    return [jsonschema.Draft202012Validator(schema)
            for schema in openapi.response_schemas(each, version)]


def check(method: str, path: str, sent: bytes, header: str | None, answer) -> None:
    """:raises AssertionError: the document does not tell of such an answer."""
    each = operation(method, path, sent)
    if each is None or answer.status in BEFORE - set(each.codes) or answer.status == 500:
        return
    place = f'{method} {each.path} {each.action or ""}'
    if answer.status >= 400:
        assert answer.status in each.codes, (
            f'{place}: {answer.status} is not documented; see @wsgi.errors')
        return
    assert answer.status == each.spec.status, f'{place}: {answer.status}; see @wsgi.response'
    shapes = _validators(each, parsing.negotiate_version(header))
    if not shapes:
        assert not answer.body, f'{place} is documented without a body; see @wsgi.response'
    elif answer.body:
        errors = [list(shape.iter_errors(answer.json)) for shape in shapes]
        assert [] in errors, f'{place}: ' + '; '.join(
            f'{"/".join(map(str, error.path))}: {error.message}' for error in errors[0])
