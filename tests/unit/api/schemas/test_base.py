# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of schemas, and that every schema of the API is a valid one."""
import importlib
import pkgutil
import re

import jsonschema
import pytest

from cinder import exception
from cinder.api import schemas, wsgi
from cinder.api.schemas import base as s
from cinder.api.schemas import checks, transfers
from cinder.api.v3 import router


def good(schema, value):
    try:
        checks.compile_check(s.wrap('x', schema))({'x': value})
    except exception.Invalid:
        return False
    return True


@pytest.mark.parametrize(('schema', 'accepted', 'refused'), [
    (s.integer(1, 10), [1, 10, '1', '10', '+2'], [0, 11, '0', '', 'x', 1.0, 1.5, True, None, 1e30,
                                                  '9' * 400, '1\n', [], '\u0663']),
    (s.UUID, ['744c27dd-a23a-48fe-9906-3dc9e8abdb89', '744C27DDA23A48FE99063DC9E8ABDB89',
              '{744c27dd-a23a-48fe-9906-3dc9e8abdb89}'], ['x', '', None, 5]),
    (s.UUID_OR_NULL, [None], ['', 5]),
    (s.NAME, ['n', ' n '], ['', ' ', None, 'x' * 256, 5]),
    (s.OPTIONAL_NAME, ['', ' ', None, 'x' * 255, ' ' + 'x' * 255], ['x' * 256, 5, {}]),
    (s.BOOLISH, [True, False, 'true', '0', 'YES', 'n'], [1, 0, 'maybe', None, '', 'tRUE']),
    (s.METADATA, [{}, {'a b/c:d': ''}, {'k' * 255: 'v' * 255}],
     [{'': 'v'}, {'k' * 256: 'v'}, {'k': 'v' * 256}, {'k': None}, {'k\n': 'v'}, {'ä': 'v'}, []]),
    (s.HOST, ['h@b#p', '[::1]'], ['', 'a b', None, 'h\n']),
    (s.nullable(s.one_of('a', 'b')), ['a', None], ['c', '']),
    (s.any_of_keys(s.obj(a=s.ANYTHING, b=s.ANYTHING), 'a', 'b'), [{'a': 1}, {'b': None}],
     [{}, {'c': 1}, {'a': 1, 'c': 1}]),
])
def test_words(schema, accepted, refused):
    assert [value for value in accepted if not good(schema, value)] == []
    assert [value for value in refused if good(schema, value)] == []


def test_reasons_name_field_value_and_rule():
    check = checks.compile_check(s.wrap('x', s.obj(['size'], size=s.integer(1))))
    for body, words in (({'x': {'size': 0}}, ('attribute size. ', 'Value: 0', 'minimum of 1')),
                        ({'x': {}}, ("'size'",)), ({'x': {'size': 1, 'zz': 1}}, ("'zz'",)),
                        ({'x': {'size': 'y' * 9999}}, ('yyy...',))):
        with pytest.raises(exception.Invalid) as caught:
            check(body)
        assert all(word in str(caught.value) for word in words)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize('accept', [
    {'auth_key': ['s3cret']}, {'auth_key': {'x': 's3cret'}}, {'auth_key': 's3cret', 'zz': 1}])
def test_secrets_of_a_body_are_not_repeated(accept):
    with pytest.raises(exception.Invalid) as caught:
        checks.compile_check(transfers.ACCEPT)({'accept': accept})
    assert 's3cret' not in str(caught.value)
    assert re.search('attribute (auth_key|accept)', str(caught.value))


def test_every_schema_is_valid():
    for module in pkgutil.iter_modules(schemas.__path__):
        importlib.import_module(f'cinder.api.schemas.{module.name}')
    handlers = []
    for methods in router.ROUTES.values():
        for target in methods.values():
            handlers += target.table.values() if isinstance(target, wsgi.Actions) else [target]
    compiled = [schema for handler in handlers for _since, schema in wsgi.get_spec(handler).schemas]
    assert len(compiled) > 20
    for schema in compiled:
        jsonschema.Draft202012Validator.check_schema(schema.schema)
