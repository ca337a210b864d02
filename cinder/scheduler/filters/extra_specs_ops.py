# SPDX-License-Identifier: Apache-2.0
"""Operators of extra specs: a value is an operator and the operand to compare a capability with."""
import operator
from collections.abc import Callable

from cinder.scheduler import capacity


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[object, str], bool]:
    def matches(value: object, wanted: str) -> bool:
        left, right = capacity.parse_gib(value), capacity.parse_gib(wanted)
        return left is not None and right is not None and compare(left, right)
    return matches


def _texts(compare: Callable[[str, str], bool]) -> Callable[[object, str], bool]:
    return lambda value, wanted: compare(str(value), wanted)


# `=` means "at least", as documented for extra specs: a host may have more than requested.
OPERATORS: dict[str, Callable[[object, str], bool]] = {
    '=': _numbers(operator.ge),
    '>=': _numbers(operator.ge),
    '<=': _numbers(operator.le),
    '==': _numbers(operator.eq),
    '!=': _numbers(operator.ne),
    's==': _texts(operator.eq),
    's!=': _texts(operator.ne),
    's<': _texts(operator.lt),
    's<=': _texts(operator.le),
    's>': _texts(operator.gt),
    's>=': _texts(operator.ge),
    '<is>': lambda value, wanted: capacity.is_true(value) == capacity.is_true(wanted),
    '<in>': lambda value, wanted: wanted in str(value),
    '<all-in>': lambda value, wanted: all(word in str(value) for word in wanted.split()),
}


def match(value: object, wanted: object) -> bool:
    """Return whether a capability matches an extra spec.

    :param value: the reported capability; of a list, one matching entry is enough.
    :param wanted: '<operator> <operand>', '<or> this <or> that', or a string to be equal to.
    """
    wanted = str(wanted).strip()
    if isinstance(value, (list, tuple, set)):
        return _match_list(value, wanted)
    word, _, operand = wanted.partition(' ')
    operand = operand.strip()
    if word == '<or>':
        return str(value) in (choice.strip() for choice in operand.split('<or>'))
    if word in OPERATORS and operand:
        return OPERATORS[word](value, operand)
    return str(value) == wanted


def _match_list(values: list | tuple | set, wanted: str) -> bool:
    word, _, operand = wanted.partition(' ')
    entries = {str(value) for value in values}
    if word == '<in>':
        return operand.strip() in entries
    if word == '<all-in>':
        return entries.issuperset(operand.split())
    each = all if word in ('!=', 's!=') else any
    return each(match(value, wanted) for value in values)
