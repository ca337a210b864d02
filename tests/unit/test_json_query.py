# SPDX-License-Identifier: Apache-2.0
"""The language of queries. The values of VALUES are those of the original's JsonFilter."""
import builtins
import json
import os
import random
import time

import pytest

from cinder import json_query

NAMES = {'host': 'h@b#p', 'free': 50, 'total': 100, 'flag': True, 'none': None}
VALUES = {
    '["=", "$free", 50]': True, '[">=", "$free", 40]': True, '["=", 1, 1, 1]': True,
    '["<", 1, 2, 3]': True, '["<", 1, 2, 0]': False, '["<=", 1, 1, 2]': True, '[">", 2, 1]': True,
    '["=", "$free", "50"]': False, '["=", "$nope", 1]': False, '["in", "$nope", 1]': False,
    '["=", null, null]': False, '["in", 1, 1, 2]': True, '["in", "$host", "a", "h@b#p"]': True,
    '["and", ["=", 1, 1], ["=", 2, 2]]': True, '["and", true, false]': False,
    '["and", "x", "y"]': True, '["and", 1, 0]': False, '["and", [], true]': True,
    '["or", ["=", 1, 2], ["=", 2, 2]]': True, '["or", [], []]': True,
    '["not", ["=", 1, 2]]': True, '["not", false]': True, '["not", true]': False,
    '["not", ["=", 1, 1], ["=", 1, 2]]': True, '["=", ["=", 1, 1], true]': True,
    '[]': True, '{}': True, '': True, '""': True, 'null': True,
}
REFUSED = {
    '"x"': 'is not a query, expected [OPERATOR, OPERAND, ...]', 'true': 'true is not a query',
    '1': '1 is not a query', '{"a": 1}': 'is not a query', 'not json': 'it is not JSON: Expecting',
    "['=', 1, 1]": 'it is not JSON',
    '["bad", 1, 2]': 'unknown operator "bad", expected one of =, <',
    '["!=", 1, 2]': 'unknown operator "!="', '[true]': 'unknown operator true',
    '["$free"]': 'unknown operator "$free"', '[["=", 1, 1]]': 'unknown operator ["=", 1, 1]',
    '["in", 1, [1, 2]]': 'unknown operator 1', '["="]': '["="] has 0 operands, expected 2 or more',
    '["=", 1]': 'has 1 operands', '["and"]': '["and"] has 0 operands, expected 1 or more',
    '["=", {"a": 1}, 1]': '{"a": 1} is no operand, expected a list, text',
    '["not",' * 20 + 'true' + ']' * 20: 'nested more than 16 deep',
    '["or"' + ', ["=", 1, 1]' * 32 + ']': 'it has 33 lists, expected at most 32',
    '[' * 1500: 'it is', '["or", ' + '[' * 900 + ']' * 901: 'unknown operator [[[',
    '["not",' * 240 + '1' + ']' * 240: 'nested more than 16 deep',
    '["=", "' + 'x' * 2000 + '", 1]': 'expected at most 2000',
}
NUMBER = 10_000 if os.environ.get('SCHEDULER_FUZZ_FULL') else 300
SEED = int(os.environ.get('SCHEDULER_FUZZ_SEED', 14))


@pytest.mark.parametrize(('text', 'value'), VALUES.items())
def test_value(text, value):
    assert bool(json_query.parse(text).run(NAMES.get)) is value
    if text:
        assert bool(json_query.parse(json.loads(text)).run(NAMES.get)) is value


@pytest.mark.parametrize(('text', 'words'), REFUSED.items())
def test_malformed(text, words):
    with pytest.raises(ValueError) as caught:
        json_query.parse(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize('depth', range(100, 1000, 100))
def test_lists_of_any_depth_are_refused(depth):
    for text in ('[' * depth + ']' * depth, '["or",' * (depth // 4) + '1' + ']' * (depth // 4)):
        with pytest.raises(ValueError, match=r'unknown operator \[\[|nested more than 16 deep'):
            json_query.parse(text)


def test_brackets_in_texts_are_no_lists():
    assert json_query.parse('["=", "$x", "' + '[' * 100 + '"]').run(NAMES.get) is False


def test_a_list_without_end_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match='it is not JSON'):
        json_query.parse(endless)
    with pytest.raises(ValueError, match='it is not JSON'):
        json_query.parse([object()])


def test_variables():
    assert json_query.parse('["or", ["=", "$a", 1], ["=", "$b.c", "$a"]]').variables == ('a', 'b.c')


def part(dice, depth):
    kind = dice.randrange(8 if depth else 5)
    if kind < 5:
        return (dice.choice(['$free', '$total', '$host', '$nope', '$', '$__class__', '$flag']),
                dice.choice([0, 1, -2.5, 1e300, 50, 'h@b#p', '', '__import__("os")', 'x' * 50]),
                dice.choice([True, False, None]), [], {} if dice.random() < 0.1 else 7)[kind]
    names = [*json_query.OPERATORS, *json_query.OPERATORS, 'eval', '!=', 5, None]
    return [dice.choice(names), *(part(dice, depth - 1) for _ in range(dice.randrange(1, 5)))]


def query(dice):
    text = json.dumps([dice.choice(list(json_query.OPERATORS)), *(
        part(dice, 3) for _ in range(dice.randrange(1, 5)))])[:1500]
    if dice.random() < 0.3:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice('[]{}",:$0\\\0é') + text[at + dice.randrange(3):]
    return text


def outcome(text):
    start = time.thread_time()
    try:
        value = json_query._parse.__wrapped__(text).run(NAMES.get)
    except (ValueError, TypeError) as error:
        value = error
    except Exception as error:
        pytest.fail(f'{text!r}: {error!r}')
    return value, time.thread_time() - start


def test_queries_at_random_have_a_value_or_a_refusal_in_bounded_time(monkeypatch):
    """SCHEDULER_FUZZ_FULL=yes tries 10,000 of them."""
    def never(*arguments, **_named):
        raise AssertionError(f'called with {arguments}')
    dice, values = random.Random(SEED), 0
    texts = [query(dice) for _ in range(NUMBER)]
    for name in ('eval', 'exec', 'compile', 'open'):
        monkeypatch.setattr(builtins, name, never)
    for text in texts:
        value, seconds = outcome(text)
        assert isinstance(value, (bool, ValueError, TypeError)), text
        values += isinstance(value, bool)
        if seconds > 0.001:  # anything may happen once on a busy machine
            seconds = min(outcome(text)[1] for _ in range(5))
        assert seconds <= 0.001, text
    assert NUMBER // 10 < values < NUMBER
