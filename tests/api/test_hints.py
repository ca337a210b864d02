# SPDX-License-Identifier: Apache-2.0
"""Scheduler hints of POST /volumes; test_volumes.py has their two spellings."""
from importlib import metadata

import pytest

from cinder.api.schemas import volumes as schema

MALFORMED = [
    ({'same_host': 'x'}, 'is neither a UUID nor a list'), ({'same_host': ['x']}, 'is neither a'),
    ({'different_host': 7}, '7 is not of type'), ({'different_host': {}}, 'is not of type'),
    ({'local_to_instance': 'x'}, "is not a 'uuid'"), ({'group': 'x'}, "is not a 'uuid'"),
    ({'query': 7}, '7 is not of type'), ({'query': '['}, 'scheduler hint query: it is not JSON'),
    ({'query': {'a': 1}}, 'is not a query, expected [OPERATOR, OPERAND, ...]'),
    ({'query': '["like", "$x", 1]'}, 'unknown operator "like", expected one of =, <'),
    ({'query': ['and', ['=', '$x']]}, 'has 1 operands, expected 2 or more'),
    ({'query': '["not",' * 20 + '1' + ']' * 20}, 'nested more than 16 deep'),
    ('x', 'is not of type'), ([], 'is not of type')]
MANY = {str(number): 1 for number in range(10, 40)}
NAMED = ', '.join(f'"{number}"' for number in range(10, 30))


@pytest.mark.parametrize('key', schema.HINT_KEYS)
@pytest.mark.parametrize(('hints', 'words'), MALFORMED)
def test_malformed_hints_are_refused_before_anything_is_accepted(api, bus, key, hints, words):
    assert words in api.post('/volumes', {'volume': {'size': 1}, key: hints}).fault(400)
    assert bus.sent == []
    assert api.get('/volumes').json['volumes'] == []


@pytest.mark.parametrize(('hints', 'header'), [
    (None, None), ({}, None), ({'same_host': [], 'query': '', 'group': None}, None),
    ({'query': ['=', '$x', 1], 'different_host': '6d9f6ab04d0e4d0c8f6b0c1f0c6f6d53'}, None),
    ({'colour': 'red', 'cidr': '/24'}, '"cidr", "colour"'),
    ({'a\r\nSet-Cookie: x': 1, 'é': 1}, r'"a\r\nSet-Cookie: x", "\u00e9"'),
    ({'x' * 100: 1}, f'"{"x" * 64}..."'), (MANY, f'{NAMED} and 10 more')])
def test_unknown_hints_are_named_in_a_header(api, bus, hints, header):
    answer = api.post('/volumes', {'volume': {'size': 1}, 'scheduler_hints': hints})
    assert answer.status == 202
    assert answer.headers.get('OpenStack-Volume-Warning') == (
        header and f'unknown scheduler hints: {header}')
    assert len(bus.sent) == 1


def test_the_header_is_in_the_api_document(api):
    paths = api.get('/openapi').json['paths']
    assert 'OpenStack-Volume-Warning' in paths['/volumes']['post']['responses']['202']['headers']
    assert 'headers' not in paths['/volumes/{volume_id}']['get']['responses']['200']


def test_hints_of_the_api_are_those_of_the_filters():
    points = metadata.entry_points(group='cinder.scheduler.filters')
    assert {hint for point in points for hint in point.load().hints} == set(schema.HINTS)
