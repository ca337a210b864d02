# SPDX-License-Identifier: Apache-2.0
"""The meaning of each rule of the grammar in language.py: a Python function of the dictionaries."""
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import lark

from cinder.scheduler.evaluator import operators
from cinder.scheduler.evaluator.operators import FunctionError, Value

# The same dictionary by another name.
ALIASES = {'volume_types': 'volume_type'}

Names = Mapping[str, Mapping]


class Node(NamedTuple):
    """A part of an expression.

    :ivar run: returns its value.
    :ivar column: where it begins, from 1.
    :ivar depth: of nested parts.
    :ivar reads: the names that it reads; a part that reads none is constant.
    """

    run: Callable[[Names], Value]
    column: int
    depth: int = 1
    reads: frozenset[str] = frozenset()


class Translator(lark.Transformer):
    """Builds a Node for each rule while the text is parsed."""

    def __init__(self, dictionaries: tuple[str, ...], max_depth: int) -> None:
        super().__init__()
        self._dictionaries, self._max_depth = dictionaries, max_depth

    def _node(self, run: Callable[[Names], Value], parts: Sequence[Node]) -> Node:
        """Return the node of an operation on `parts`; its value, if it is constant, is computed
        now, so that what can have no value is refused now."""
        depth, column = 1 + max(part.depth for part in parts), parts[0].column
        if depth > self._max_depth:
            raise FunctionError(f'the parts are nested more than {self._max_depth} deep', column)
        reads = frozenset().union(*[part.reads for part in parts])
        if reads:
            return Node(run, column, depth, reads)
        try:
            return Node(_constant(run({})), column, depth)
        except FunctionError as error:
            raise FunctionError(error.reason, column) from None

    # ----------------------------------------------------------------------------------- atoms
    def number(self, children: list[lark.Token]) -> Node:
        token = children[0]
        if len(token) > operators.LONGEST_NUMBER:
            raise FunctionError(f'a number of {len(token)} characters, expected at most '
                                f'{operators.LONGEST_NUMBER}', column_of(token))
        value = float(token) if '.' in token else operators.exact(int(token))
        return Node(_constant(value), column_of(token))

    def text(self, children: list[lark.Token]) -> Node:
        return Node(_constant(str(children[0])[1:-1]), column_of(children[0]))

    def name(self, children: list[lark.Token]) -> Node:
        token = children[0]
        space, dot, path = token.partition('.')
        if not dot:
            return Node(_constant(str(token)), column_of(token))
        if space not in self._dictionaries or not path:
            raise FunctionError(f'unknown name {str(token)!r}, expected NAME of '
                                f'{".NAME, ".join(self._dictionaries)}.NAME', column_of(token))
        space = ALIASES.get(space, space)
        return Node(_reader(str(token), space, path), column_of(token),
                    reads=frozenset([f'{space}.{path}']))

    def call(self, children: list) -> Node:
        token, *arguments = children
        known = operators.FUNCTIONS.get(str(token))
        if known is None:
            raise FunctionError(f'unknown function {str(token)!r}, expected one of '
                                f'{", ".join(operators.FUNCTIONS)}', column_of(token))
        function, lowest, highest = known
        if not lowest <= len(arguments) <= (highest or len(arguments)):
            raise FunctionError(
                f'{token} has {len(arguments)} arguments, expected {lowest}'
                + ('' if highest else ' or more'), column_of(token))
        runs = [argument.run for argument in arguments]
        return self._node(lambda names: function(*[run(names) for run in runs]), arguments)

    def parentheses(self, children: list[Node]) -> Node:
        return self._node(children[0].run, children)

    # ------------------------------------------------------------------------------- operators
    def power(self, children: list[Node]) -> Node:
        return self._node(_operation(operators.BINARY['^'], *[part.run for part in children]),
                          children)

    def sign(self, children: list) -> Node:
        run = children[1].run
        negative = children[0] == '-'
        return self._node(lambda names: operators.negate(run(names)) if negative else run(names),
                          children[1:])

    def sum(self, children: list) -> Node:
        return self._node(_sequence(children), children[::2])

    product = sum

    def inversion(self, children: list) -> Node:
        run = children[1].run
        return self._node(lambda names: not run(names), children[1:])

    def comparison(self, children: list) -> Node:
        """a < b < c is a < b and b < c."""
        parts = children[::2]
        compares = [operators.COMPARISONS[symbol] for symbol in children[1::2]]
        if len(parts) == 2:
            return self._node(_operation(compares[0], parts[0].run, parts[1].run), parts)
        runs = [part.run for part in parts]

        def run(names: Names) -> Value:
            values = [run(names) for run in runs]
            return all(compare(*pair) for compare, pair in zip(
                compares, zip(values, values[1:], strict=False), strict=True))
        return self._node(run, parts)

    def condition(self, children: list[Node]) -> Node:
        asked, then, otherwise = [part.run for part in children]
        return self._node(lambda names: then(names) if asked(names) else otherwise(names),
                          children)

    def conjunction(self, children: list[Node]) -> Node:
        """The value is that of the first part that is false, or of the last."""
        return self._node(_until(children, False), children)

    def disjunction(self, children: list[Node]) -> Node:
        """The value is that of the first part that is true, or of the last."""
        return self._node(_until(children, True), children)


def _constant(value: Value) -> Callable[[Names], Value]:
    return lambda _names: value


def _reader(name: str, space: str, path: str) -> Callable[[Names], Value]:
    def read(names: Names) -> Value:
        try:
            found = names[space][path]
        except KeyError:
            try:
                found = operators.lookup(names[space], path)
            except KeyError:
                raise FunctionError(f'there is no {name}') from None
        if type(found) is int or type(found) is float:
            return found
        return operators.from_report(found, name)
    return read


def _operation(function: Callable[[Value, Value], Value], left: Callable[[Names], Value],
               right: Callable[[Names], Value]) -> Callable[[Names], Value]:
    return lambda names: function(left(names), right(names))


def _sequence(children: list) -> Callable[[Names], Value]:
    """Return the function of operands with operators of the same rank, from left to right."""
    first, *rest = children[::2]
    steps = [(operators.BINARY[symbol], part.run)
             for symbol, part in zip(children[1::2], rest, strict=True)]
    if len(steps) == 1:
        return _operation(steps[0][0], first.run, steps[0][1])

    def run(names: Names) -> Value:
        value = first.run(names)
        for function, operand in steps:
            value = function(value, operand(names))
        return value
    return run


def _until(parts: list[Node], stop: bool) -> Callable[[Names], Value]:
    runs = [part.run for part in parts]

    def run(names: Names) -> Value:
        value: Value = 0
        for each in runs:
            value = each(names)
            if bool(value) is stop:
                break
        return value
    return run


def column_of(token: lark.Token) -> int:
    """Return the column of a token, from 1; a line break counts as a character."""
    return token.start_pos + 1
