# SPDX-License-Identifier: Apache-2.0
"""Values of expressions. Those of VALUES are what the original computes with pyparsing 3.0.9."""
import pytest

from cinder.scheduler import evaluator
from cinder.scheduler.evaluator import FunctionError

NAMES = {
    'stats': {'a': 5, 's': '7', 't': 'abc', 'none': None, 'flag': True, 'f': '1.5', 'list': [1],
              'padded': ' 7 ', 'negative': '-3', 'exponent': '1e3', 'free': 'infinite',
              'a2': 6, 'long': '9' * 5000},
    'capabilities': {'x': 3, 'inner': {'y': 2, 'deep': {'z': '4'}}, 'dotted.key': 8},
    'volume': {'size': 10, 'name': 'vol'},
    'extra': {'k': '4', 'w': 'hello world'},
    'qos': {},
    'volume_type': {'name': 'gold'},
}
VALUES = {
    '1': 1, '1.5': 1.5, '"x"': 'x', "'x'": 'x', 'word': 'word', '1\n+\t1': 2,
    '1+1': 2, '1 - 2 - 3': -4, '8/4/2': 1.0, '7/2': 3.5, '10 - 2 * 3': 4, '(1+2)*3': 9, '((1))': 1,
    '2^3^2': 512, '-2^2': -4, '-(2)^2': -4, '2 * 3 ^ 2': 18, '2 ^ 3 * 2': 16, '9^0.5': 3.0,
    '2^(1/2)': 2 ** 0.5, '2*-3': -6, '--2': 2, '-+1': -1, '2 - -2': 4, '"a"+"b"': 'ab',
    '!1': False, 'not 1': False, 'NOT 0': True, 'not not 1': True, '! ! 1': True, 'not(1)': False,
    'not 1 + 1': False, 'not 1 == 2': False, 'not 2 < 2': True, 'not 0 and 0': 0, '!"a"': False,
    '1 < not 0': False, '!-1': False, '1and 1': 1,
    '1 and 0': 0, '2 and 3': 3, '0 or 5': 5, '1 && 1': 1, '0 || 0': 0, '1 or 0 and 0': 1,
    '1 AND 1': 1, '1 OR 0': 1, '"a" and 0': 0, '"" or 1': 1, '1 and 2 + 3': 5,
    '1 < 2': True, '1 != 2': True, '1 <> 2': True, '2<=2': True, '1 < 2 < 3': True,
    '1 < 2 == 1': False, '3 == 2 < 1': False, '1 == 1 == 1': True, '"a" < "b"': True,
    '1 > 0 ? 5 : 6': 5, '1?2:3': 2, '1 ? 2 : 0 ? 3 : 4': 2, '1 + 1 > 1 ? 5 : 6': 5,
    '1 < 2 ? 3 < 4 : 5': True, '2 == 1 ? 0 : 5 > 4': True, '(1 ? 2 : 3) ? 4 : 5': 4,
    '1>0?-1:+1': -1, '1 > 0 ? "a" : "b"': 'a',
    # A condition binds stronger than 'and' and 'or'.
    '0 and 1 ? 3 : 4': 0, '1 or 0 ? 3 : 4': 1, '0 or 1 ? 3 : 4': 3, '1 ? 2 : 1 and 0': 0,
    '(0 and 1) ? 3 : 4': 4,
    'abs(-3)': 3, 'abs (1)': 1, 'max(1,2)': 2, 'min(-1,-2)': -2, 'max(1,2,3)': 3,
    'max("a","b")': 'b', 'max(1, max(2,3))': 3, 'max(1 and 2, 1)': 2, 'abs(-2)^2': 4,
    'stats.a': 5, 'stats.s + 1': 8, 'stats.f * 2': 3.0, 'stats.padded': 7, 'stats.negative': -3,
    'stats.exponent': 1000.0, 'stats.free': 'infinite', 'stats.t == abc': True,
    'stats.flag + 1': 2, 'stats.flag == true': False, 'stats.a == "5"': False, 'stats.a-1': 4,
    'extra.w == "hello world"': True, 'extra.k > 10': False, 'volume.name == vol': True,
    '-stats.a': -5, '(volume.size < 10) * 100': 0, 'volume_type.name': 'gold',
    'volume.size > 5 and capabilities.x < 4': True,
}
# What the original does not know, or has no value for.
MORE = {
    '2 ^ -2': 0.25, '.5': 0.5, '1 & 1': 1, '1 | 0': 1, 'stats.a2': 6, 'a2': 'a2',
    'notable': 'notable', 'android == "android"': True, '0 ? 2 : 0 ? 4 : 5': 5,
    '0 ? 1 ? 2 : 3 : 4': 4,
    # The original ignores operands after the second.
    '1 and 1 and 0': 0, '0 or 0 or 1': 1, '1 < 2 && 2 < 3 && 3 < 2': False,
    '1 ? 0 or 7 : 1': 7, 'capabilities.inner.y': 2,
    'capabilities.inner.deep.z': 4, 'capabilities.dotted.key': 8, 'volume_types.name': 'gold',
    'stats.long == "9"': False,
    '9' * 30 + ' > 1': True, '2^63 * 2^63 > 1': True, '"a\'b"': "a'b",
}
REFUSED = {  # expression -> column and words of the error
    '': (1, 'the text ends, expected a number'),
    '1 +': (4, "the text ends, expected a number, a text, a name, '+', '-', '('"),
    'max(1,2': (8, "the text ends, expected ',', ')'"),
    '5 % 2': (3, "'%' is not expected here"),
    '1 2': (3, "found '2', expected the end"),
    '5 ** 2': (4, "found '*', expected a number"),
    '1=1': (2, "'=' is not expected here"),
    '"open': (1, 'is not expected here'),
    'size.volume < 3': (1, "unknown name 'size.volume', expected NAME of stats.NAME"),
    '1 < stats.': (5, "unknown name 'stats.'"),
    '__import__("os")': (1, "unknown function '__import__', expected one of abs, max, min"),
    '1 + (lambda)(1)': (13, "found '('"),
    'stats.__class__("x")': (1, "unknown function 'stats.__class__'"),
    '1 + max(1)': (5, 'max has 1 arguments, expected 2 or more'),
    'abs(1, 2)': (1, 'abs has 2 arguments, expected 1'),
    '1/0': (1, '1 / 0 has no value'),
    '10^1000': (1, '10 ^ 1000 has no value'),
    '1 + (-8)^0.5': (7, '-8 ^ 0.5 has no value'),
    'true + 1': (1, "'true' + 1: expected two numbers"),
    '1 < "a"': (1, "1 < 'a': expected two numbers or two texts"),
    '-"a"': (2, "-'a': expected a number"),
    'abs("a")': (5, "abs('a'): expected numbers"),
    'max(1, a)': (5, "max(1, 'a'): expected numbers"),
    '9' * 41: (1, 'a number of 41 characters, expected at most 40'),
    '(' * 40 + '1' + ')' * 40: (41, 'the parts are nested more than 32 deep'),
    '-' * 40 + '1': (41, 'nested more than 32'),
    '1' + '+1' * 101: (None, 'it has 101 operators, expected at most 100'),
    '1' + '+1' * 500: (None, 'it has 1001 characters, expected at most 1000'),
}
# Expressions that are in the language, but have no value for these dictionaries.
UNUSABLE = {
    'stats.zz': 'there is no stats.zz', 'qos.q': 'there is no qos.q',
    'stats.a.b': 'there is no stats.a.b', 'stats.__class__': 'there is no stats.__class__',
    'stats.none': 'stats.none has no value, expected a number or a text',
    'stats.list': 'stats.list is a list, expected', 'capabilities.inner': 'is a dict, expected',
    'stats.t + 1': "'abc' + 1: expected two numbers",
    'stats.free > 10': "'infinite' > 10: expected two numbers or two texts",
    '1 / (stats.a - 5)': '1 / 0 has no value', 'stats.t * 1000': "'abc' * 1000: expected two",
    '(stats.exponent ^ 99) ^ 99': '1e+297 ^ 99 has no value', 'min(stats.t, 1)': 'expected numbers',
    'stats.long + 1': '... + 1: expected two numbers',
}


@pytest.mark.parametrize(('text', 'value'), [*VALUES.items(), *MORE.items()])
def test_value(text, value):
    found = evaluator.evaluate(text, NAMES)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize('text', REFUSED)
def test_what_is_not_in_the_language_is_refused_without_values(text):
    column, words = REFUSED[text]
    for _again in range(2):
        with pytest.raises(FunctionError) as caught:
            evaluator.compile_function(text)
        assert caught.value.column == column
        assert words in str(caught.value)
        assert column is None or str(caught.value).startswith(f'column {column}: ')


@pytest.mark.parametrize(('text', 'words'), UNUSABLE.items())
def test_what_has_no_value_says_why(text, words):
    function = evaluator.compile_function(text)
    with pytest.raises(FunctionError, match='.*') as caught:
        function.run(NAMES)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_text_is_compiled_once():
    evaluator.compile_function('volume.size < 77')
    before = evaluator._compile.cache_info().misses
    assert evaluator.evaluate('volume.size < 77', NAMES)
    assert evaluator._compile.cache_info().misses == before
