# SPDX-License-Identifier: Apache-2.0
"""The texts of refused bodies, which clients match: those of jsonschema for a schema made from the
facts of the API, with the name of the field in front. Made from the table of fields."""
import json
import pathlib
import re

import jsonschema
import pytest

from cinder import exception
from cinder.api import openapi, wsgi
from cinder.api.schemas import base, checks, quotas
from cinder.api.v3 import router

FACTS = pathlib.Path(__file__).parents[5] / 'shared/api/schemas.json'
WORDS = {'one_of_values': 'enum', 'min_len': 'minLength', 'max_len': 'maxLength',
         'min': 'minimum', 'max': 'maximum'}
VALUES = ['', 'x' * 256, 'x', '0', '-5', 0, -5, 10 ** 12, 1.5, True, None, [], {}, 'maybe', [5]]
# Field -> why our words are others.
OTHERS = {
    'connector': 'the original lets texts through to a server error',
    'error': 'the original lets texts through that are no boolean',
    'auth_key': 'is a secret',
    'migration_policy': 'we tell of null what its type is, and not the values',
    'resource_type': 'of several things that are wrong we tell another one',
    'service_id': 'of several things that are wrong we tell another one',
}


def _leaf(row):
    kinds = row['types']
    return {'type': kinds[0] if len(kinds) == 1 else kinds, **{
        word: row[name] for name, word in WORDS.items() if name in row}}


def _plain_fields():
    """(operation, path, schema of the value) of each field of the facts that needs no more than
    jsonschema knows."""
    ours = {(each.method, re.sub(r'{\w+}', '{}', each.path), each.action or ''): each
            for each in openapi.list_operations(router.ROUTES)}
    for fact in json.loads(FACTS.read_text())['operations']:
        path = re.sub(r'{\w+}', '{}', fact['path'].removeprefix('/v3/{project_id}'))
        each = ours.get((fact['method'], path, fact['action_key']))
        for row in fact['body_versions'][-1]['fields'] if fact['body_versions'] else ():
            names = row['field'].split('.')
            if each and each.spec.schemas and 'types' in row and not (
                    {'check', 'named'} & set(row) or '*' in names or '[]' in row['field']
                    or names[-1] in OTHERS):
                yield each, names, row


def _first(validator, names, value):
    """The first complaint about the field; others of its body are missing here."""
    body = value
    for name in reversed(names):
        body = {name: body}
    return next((error for error in validator.iter_errors(body)
                 if list(error.absolute_path) == names), None)


@pytest.mark.skipif(not FACTS.exists(), reason=f'the facts are not here: {FACTS}')
def test_every_field_of_the_facts():
    compared, wrong = 0, []
    for each, names, row in _plain_fields():
        leaf = jsonschema.Draft4Validator(_leaf(row))
        validator = jsonschema.Draft202012Validator(
            each.spec.schemas[0][1].schema, format_checker=checks._checker())
        for value in VALUES:
            # A number may be written as a text.
            read = int(value) if 'min' in row and re.fullmatch('-?[0-9]+', str(value)) else value
            expected = next(leaf.iter_errors(read), None)
            error = _first(validator, names, value)
            if expected is None or (read is not value and error and error.validator == 'pattern'):
                continue
            if error is None and value is None:
                continue  # null is as good as no value here
            assert error is not None, (each.path, names, value)
            text = (f'Invalid input for field/attribute {names[-1]}. Value: {value}. '
                    f'{expected.message}')
            # We take null for no value in more places, and may list it elsewhere.
            if checks._reason(error).replace(", 'null'", '') != text.replace(", 'null'", ''):
                wrong.append((each.path, checks._reason(error), text))
            compared += 1
    assert wrong == []
    assert compared > 1500


def _text(schema, body):
    with pytest.raises(exception.Invalid) as caught:
        checks.compile_check(schema)(body)
    return str(caught.value)


_BODY = base.wrap('volume', base.obj(
    ['size'], size=base.integer(1), name=base.NAME, other=base.OPTIONAL_NAME, id=base.UUID_OR_NULL,
    metadata=base.METADATA, flag=base.BOOLISH, mode=base.one_of('rw', 'ro'),
    case=base.any_case('a-b', 'c.d', ''),
    list={'type': 'array', 'minItems': 1, 'uniqueItems': True, 'items': base.text(0, 3)}))


@pytest.mark.parametrize(('change', 'text'), [
    ({'size': 0}, 'size. Value: 0. 0 is less than the minimum of 1'),
    ({'size': '0'}, 'size. Value: 0. 0 is less than the minimum of 1'),
    ({'size': -1}, 'size. Value: -1. -1 is less than the minimum of 1'),
    ({'size': 10 ** 12}, 'size. Value: 1000000000000. 1000000000000 is greater than the maximum of '
                         '2147483647'),
    ({'size': 1.0}, "size. Value: 1.0. 1.0 is not of type 'integer', 'string'"),
    ({'size': None}, "size. Value: None. None is not of type 'integer', 'string'"),
    ({'size': 'x'}, "size. Value: x. 'x' does not match '^[+-]?[0-9]{1,30}$'"),
    ({'name': 5}, "name. Value: 5. 5 is not of type 'string'"),
    ({'id': 'x'}, "id. Value: x. 'x' is not a 'uuid'"),
    ({'mode': 'zz'}, "mode. Value: zz. 'zz' is not one of ['rw', 'ro']"),
    ({'case': 'zz'}, "case. Value: zz. 'zz' is not one of ['a-b', 'c.d']"),
    ({'metadata': {'a': 5}}, "a. Value: 5. 5 is not of type 'string'"),
    ({'metadata': {'': 'x'}}, "metadata. Value: {'': 'x'}. '' does not match any of the regexes: "
                              "'^[a-zA-Z0-9-_:. /]{1,255}$'"),
    ({'list': ['abcd']}, "0. Value: abcd. 'abcd' is too long"),
    ({'list': [1]}, "0. Value: 1. 1 is not of type 'string'"),
    ({'list': ['a', 'a']}, "list. Value: ['a', 'a']. ['a', 'a'] has non-unique elements"),
    ({'zz': 1}, "volume. Value: {'size': 1, 'zz': 1}. Additional properties are not allowed "
                "('zz' was unexpected)"),
])
def test_fields(change, text):
    assert _text(_BODY, {'volume': {'size': 1, **change}}) == (
        f'Invalid input for field/attribute {text}')


@pytest.mark.parametrize(('body', 'text'), [
    ({}, "'volume' is a required property"),
    ({'volume': {'size': 1}, 'zz': 1},
     "Additional properties are not allowed ('zz' was unexpected)"),
    ([], "[] is not of type 'object'"),
    ({'volume': 'x'}, "Invalid input for field/attribute volume. Value: x. 'x' is not of type "
                      "'object'"),
    ({'volume': {}}, "Invalid input for field/attribute volume. Value: {}. 'size' is a required "
                     'property'),
])
def test_bodies(body, text):
    assert _text(_BODY, body) == text


@pytest.mark.parametrize(('name', 'value', 'read', 'rule'), [
    ('name', '', '', {'minLength': 1}), ('name', '  ', '', {'minLength': 1}),
    ('name', 'x' * 256, 'x' * 256, {'maxLength': 255}),
    ('other', 'x' * 256, 'x' * 256, {'maxLength': 255}),
    ('list', [], [], {'minItems': 1})])
def test_lengths_in_the_words_of_the_library(name, value, read, rule):
    """Releases of jsonschema say it differently: `is too short`, `should be non-empty`."""
    words = next(jsonschema.Draft202012Validator(rule).iter_errors(read)).message
    assert _text(_BODY, {'volume': {'size': 1, name: value}}) == (
        f'Invalid input for field/attribute {name}. Value: {checks._cut(str(value))}. '
        f'{checks._cut(words)}')


def test_every_format_has_words():
    for name, (rule, meaning) in base.FORMATS.items():
        for value in VALUES:
            # A schema that lists types before the format never asks it about others.
            if isinstance(value, str) and not rule(value):
                error = next(jsonschema.Draft202012Validator(
                    {'format': name}, format_checker=checks._checker()).iter_errors(value))
                assert checks._words(error), name
        assert meaning, name


def test_limits_of_quotas():
    check = wsgi.Schema(quotas.LIMITS).check
    check({'volumes': 1, 'gigabytes': '-1', 'backups': {'limit': 5, 'in_use': 1, 'reserved': 0}})
    for value, text in (
            (-2, 'volumes. Value: -2. -2 is less than the minimum of -1'),
            ('-2', 'volumes. Value: -2. -2 is less than the minimum of -1'),
            (None, "volumes. Value: None. None is not of type 'integer', 'string'"),
            ({'limit': -2}, 'limit. Value: -2. -2 is less than the minimum of -1'),
            ({'in_use': 2}, "volumes. Value: {'in_use': 2}. 'limit' is a required property"),
            ({'limit': 1, 'zz': 2}, "volumes. Value: {'limit': 1, 'zz': 2}. Additional properties "
                                    "are not allowed ('zz' was unexpected)")):
        assert _text(quotas.LIMITS, {'volumes': value}) == (
            f'Invalid input for field/attribute {text}')
