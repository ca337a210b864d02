# SPDX-License-Identifier: Apache-2.0
"""The language of the scheduler hint `query`: ["and", [">=", "$free_capacity_gb", 100], ...].

The API refuses malformed queries, and cinder.scheduler.filters.json_filter evaluates the others. A
query is data; it is never run as code.
"""
import functools
import json
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

# Characters of a query, nested lists, and lists in all: a tenant may have it evaluated for each of
# 10,000 pools.
MAX_LENGTH = 2000
MAX_DEPTH = 16
MAX_LISTS = 32
# Returns the value of a variable; None if there is none.
Read = Callable[[str], Any]


class Query(NamedTuple):
    """A query that was checked.

    :ivar run: returns whether what is read matches; :raises TypeError: values cannot be compared.
    :ivar variables: names of the values that it reads.
    """

    run: Callable[[Read], object]
    variables: tuple[str, ...] = ()


def _compare(function: Callable[[Any, Any], bool]) -> Callable[[list], bool]:
    """Compare the first operand with all others; what has no value matches nothing."""
    return lambda values: None not in values and all(
        function(values[0], other) for other in values[1:])


# Operator -> (function of the operands, least number of operands).
OPERATORS: dict[str, tuple[Callable[[list], bool], int]] = {
    '=': (_compare(operator.eq), 2),
    '<': (_compare(operator.lt), 2),
    '>': (_compare(operator.gt), 2),
    '<=': (_compare(operator.le), 2),
    '>=': (_compare(operator.ge), 2),
    'in': (lambda values: values[0] is not None and values[0] in values[1:], 2),
    # One of the operands must be false.
    'not': (lambda values: not all(values), 1),
    'or': (any, 1),
    'and': (all, 1),
}


def parse(query: object) -> Query:
    """Return the query of a hint.

    :param query: its JSON text, or the list itself; nothing and an empty list match everything.
    :raises ValueError: it is malformed; the text names the part and what is expected.
    """
    try:
        text = query if isinstance(query, str) else json.dumps(query)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'it is not JSON: {error}') from None
    try:
        return _parse(text)
    except RecursionError:
        raise ValueError(_too_deep()) from None


@functools.lru_cache(1000)
def _parse(text: str) -> Query:
    if len(text) > MAX_LENGTH:
        raise ValueError(f'it has {len(text)} characters, expected at most {MAX_LENGTH}')
    try:
        query = json.loads(text) if text.strip() else None
    except ValueError as error:
        raise ValueError(f'it is not JSON: {error}') from None
    if not query and not isinstance(query, (bool, int, float)):
        return Query(lambda _read: True)
    if not isinstance(query, list):
        raise ValueError(f'{_shown(query)} is not a query, expected [OPERATOR, OPERAND, ...]')
    variables: dict[str, None] = {}
    run = _compiled(query, variables, MAX_DEPTH)
    if _count_lists(query) > MAX_LISTS:
        raise ValueError(f'it has {_count_lists(query)} lists, expected at most {MAX_LISTS}')
    return Query(run, tuple(variables))


def _compiled(query: list, variables: dict[str, None], depth: int) -> Callable[[Read], object]:
    if depth <= 0:
        raise ValueError(_too_deep())
    if not query:
        return lambda _read: True
    name, *operands = query
    if not isinstance(name, str) or name not in OPERATORS:
        raise ValueError(f'unknown operator {_shown(name)}, expected one of '
                         f'{", ".join(OPERATORS)}')
    function, least = OPERATORS[name]
    if len(operands) < least:
        raise ValueError(f'{_shown(query)} has {len(operands)} operands, expected {least} or more')
    parts = [_operand(value, variables, depth) for value in operands]
    return lambda read: function([part(read) for part in parts])


def _operand(value: object, variables: dict[str, None], depth: int) -> Callable[[Read], object]:
    if isinstance(value, list):
        return _compiled(value, variables, depth - 1)
    if isinstance(value, dict):
        raise ValueError(f'{_shown(value)} is no operand, expected a list, text, number or boolean')
    if isinstance(value, str) and value.startswith('$'):
        name = value[1:]
        variables[name] = None
        return lambda read: read(name)
    return lambda _read: value


def _count_lists(value: object) -> int:
    return 1 + sum(map(_count_lists, value)) if isinstance(value, list) else 0


def _too_deep() -> str:
    return f'it is nested more than {MAX_DEPTH} deep'


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
