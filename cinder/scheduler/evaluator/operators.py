# SPDX-License-Identifier: Apache-2.0
"""The values and operators of the expressions: each operation takes bounded time and memory, and
raises FunctionError where it has no value."""
import math
import operator
from collections.abc import Callable, Mapping

Value = int | float | str
# Integers are exact up to this; greater ones become floating-point numbers.
EXACT = 2 ** 64
# Characters of a reported text that are read as a number.
LONGEST_NUMBER = 40


class FunctionError(ValueError):
    """A text that is not in the language (with its column), or that has no value for this pool."""

    def __init__(self, reason: str, column: int | None = None) -> None:
        super().__init__(reason if column is None else f'column {column}: {reason}')
        self.reason, self.column = reason, column

    def again(self) -> 'FunctionError':
        """Return a copy, whose traceback does not grow when it is raised several times."""
        return FunctionError(self.reason, self.column)


def lookup(found: Mapping, path: str) -> object:
    """Return the entry of a dictionary; `path` has dots for dictionaries within it.

    :raises KeyError: there is no such entry.
    """
    if path in found:
        return found[path]
    head, dot, rest = path.partition('.')
    inner = found[head]
    if not dot or not isinstance(inner, Mapping):
        raise KeyError(path)
    return lookup(inner, rest)


def from_report(value: object, name: str) -> Value:
    """Convert an entry of a dictionary: a text that is a number becomes that number.

    :param name: of the entry, for the error.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        kind = 'has no value' if value is None else f'is a {type(value).__name__}'
        raise FunctionError(f'{name} {kind}, expected a number or a text')
    if len(value) <= LONGEST_NUMBER:
        for convert in (int, float):
            try:
                return exact(convert(value))
            except ValueError:
                continue
    return value


def exact(value: Value) -> Value:
    """Return the number, as a floating-point one if it is a large integer.

    :raises OverflowError: it is too large for that.
    """
    if type(value) is float or not isinstance(value, int) or -EXACT <= value <= EXACT:
        return value
    return float(value)


def plain(value: object) -> str:
    """Return a value that was read, for the reason of a refusal."""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def shown(value: Value) -> str:
    """Return a value for a message."""
    text = repr(value) if isinstance(value, str) else f'{value:g}'
    return text if len(text) <= 60 else f'{text[:57]}...'


def _numbers(symbol: str, compute: Callable[[Value, Value], Value]
             ) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if isinstance(left, str) or isinstance(right, str):
            raise FunctionError(f'{shown(left)} {symbol} {shown(right)}: expected two numbers')
        try:
            return exact(compute(left, right))
        except (ArithmeticError, ValueError) as error:
            raise FunctionError(f'{shown(left)} {symbol} {shown(right)} has no value') from error
    return apply


def _add(left: Value, right: Value) -> Value:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return _PLUS(left, right)


def _power(left: Value, right: Value) -> Value:
    """Return an integer where both are and the result is small; never a complex number."""
    if isinstance(left, int) and isinstance(right, int) and right >= 0 and (
            left.bit_length() * right <= EXACT.bit_length()):
        return left ** right
    return math.pow(left, right)


def _ordered(symbol: str, compare: Callable[[Value, Value], bool]
             ) -> Callable[[Value, Value], bool]:
    def apply(left: Value, right: Value) -> bool:
        try:
            return compare(left, right)
        except TypeError:
            raise FunctionError(f'{shown(left)} {symbol} {shown(right)}: expected two numbers or '
                                'two texts') from None
    return apply


def _function(name: str, compute: Callable) -> Callable[..., Value]:
    def apply(*values: Value) -> Value:
        if any(isinstance(value, str) for value in values) and (
                name == 'abs' or not all(isinstance(value, str) for value in values)):
            raise FunctionError(f'{name}({", ".join(map(shown, values))}): expected numbers')
        return compute(*values)
    return apply


_PLUS = _numbers('+', operator.add)
BINARY: dict[str, Callable[[Value, Value], Value]] = {
    '+': _add, '-': _numbers('-', operator.sub), '*': _numbers('*', operator.mul),
    '/': _numbers('/', operator.truediv), '^': _numbers('^', _power)}
COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    '==': operator.eq, '!=': operator.ne, '<>': operator.ne,
    '<': _ordered('<', operator.lt), '<=': _ordered('<=', operator.le),
    '>': _ordered('>', operator.gt), '>=': _ordered('>=', operator.ge)}
# Name -> (implementation, lowest and highest number of arguments).
FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int | None]] = {
    'abs': (_function('abs', abs), 1, 1),
    'max': (_function('max', max), 2, None),
    'min': (_function('min', min), 2, None)}


def negate(value: Value) -> Value:
    """Return -value."""
    if isinstance(value, str):
        raise FunctionError(f'-{shown(value)}: expected a number')
    return -value
