# SPDX-License-Identifier: Apache-2.0
"""Requests, responses, body checks and actions without a pipeline."""
import datetime
import io
from decimal import Decimal

import pytest
import webob

from cinder import exception
from cinder.api import microversions as mv
from cinder.api import wsgi

SCHEMA = {'type': 'object', 'required': ['thing']}
STRICT = {'type': 'object', 'required': ['thing', 'more']}


def request(body=b'', version=mv.MAX, **environ):
    req = wsgi.Request({
        'REQUEST_METHOD': 'POST', 'CONTENT_TYPE': 'application/json' if body else '',
        'CONTENT_LENGTH': str(len(body)), 'wsgi.input': io.BytesIO(body), **environ})
    req.api_version = version
    return req


def run(handler, req, **args):
    wsgi.get_spec(handler)
    return wsgi.call(req, handler, args)


def test_times_have_no_zone():
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5)
    assert wsgi.dumps({'a': moment, 'b': moment.replace(microsecond=6), 'c': Decimal(7)}) == (
        b'{"a":"2024-01-02T03:04:05.000000","b":"2024-01-02T03:04:05.000006","c":7}')


def test_unknown_values_are_not_guessed():
    with pytest.raises(TypeError):
        wsgi.dumps({'a': object()})


def test_last_of_a_repeated_parameter_counts():
    assert request(QUERY_STRING='a=1&a=2&b=').query == {'a': '2', 'b': ''}


def test_body_is_handed_over_trimmed():
    @wsgi.body(SCHEMA, key='thing')
    def handler(_req, ident, body):
        return [ident, body]
    made = run(handler, request(b'{"thing": {"name": " n ", "other": " o "}}'), ident='1')
    assert (made.status_int, made.json) == (200, ['1', {'name': 'n', 'other': ' o '}])


@pytest.mark.parametrize(('version', 'good'), [(5, True), (6, False)])
def test_schema_goes_by_version(version, good):
    @wsgi.body([(mv.BASE, SCHEMA), (6, STRICT)])
    def handler(_req, body):
        return body
    req = request(b'{"thing": 1}', version)
    if good:
        assert run(handler, req).json == {'thing': 1}
    else:
        with pytest.raises(exception.Invalid, match="'more'"):
            run(handler, req)


@pytest.mark.parametrize(('version', 'known'), [(4, False), (5, True), (7, True), (8, False)])
def test_window(version, known):
    @wsgi.versions(5, 7)
    def handler(_req):
        return {}
    if known:
        assert run(handler, request(version=version)).status_int == 200
    else:
        with pytest.raises(exception.NotFound):
            run(handler, request(version=version))


def test_results():
    @wsgi.response(202)
    def handler(_req, result=None):
        return result
    assert run(handler, request()).status_int == 202
    assert run(handler, request(), result=webob.Response(b'')).status_int == 200


def test_typed_query():
    @wsgi.query(size=lambda _name, text: int(text))
    def handler(req):
        return req.params
    assert run(handler, request(QUERY_STRING='size=5&other=1')).json == {'size': 5}


def test_body_of_unknown_length():
    req = request(b'{"a": 1}', CONTENT_LENGTH='', HTTP_TRANSFER_ENCODING='chunked')
    assert req.json == {'a': 1}


class TestActions:
    actions = wsgi.Actions({'go': lambda req: None})

    def test_choice(self):
        assert self.actions.handler(request(b'{"go": null}')) is self.actions.table['go']

    @pytest.mark.parametrize('body', [b'', b'{}', b'[]', b'{"go": 1, "b": 2}', b'{"zz": 1}'])
    def test_refused(self, body):
        with pytest.raises(exception.Invalid):
            self.actions.handler(request(body))


def test_empty_answers_are_html():
    seen = []
    environ = {'REQUEST_METHOD': 'POST'}
    answer = wsgi.respond(environ, None, 202)(environ, lambda *args: seen.extend(args))
    assert answer == [b'']
    assert seen[0] == '202 Accepted'
    assert dict(seen[1]) == {'Content-Type': wsgi.HTML, 'Content-Length': '0'}
