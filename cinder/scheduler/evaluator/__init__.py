# SPDX-License-Identifier: Apache-2.0
"""Evaluates filter_function and goodness_function, the expressions with which a driver accepts or
rates a volume. It checks and compiles each text once; no text is ever run as Python code.

language.py has the grammar, translator.py its meaning, operators.py the arithmetic;
cinder.scheduler.filters.driver_filter and cinder.scheduler.weights.goodness use the results.
"""
import contextlib
import functools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cinder.scheduler.evaluator.operators import FunctionError, Value, lookup, plain

# The dictionaries whose values an expression can name, as `stats.NAME`.
DICTIONARIES = ('stats', 'capabilities', 'extra', 'qos', 'volume', 'volume_type', 'volume_types')
# Characters and operators of one text, so that it is compiled in a millisecond.
MAX_LENGTH = 1000
MAX_OPERATORS = 100
_OPERATOR = re.compile(r'[-+*/^?,(<>=!&|]+|\b(?:and|or|not)\b', re.IGNORECASE)
# Nested parentheses, function calls, signs and conditions.
MAX_DEPTH = 32
# Compiled texts that are kept: a few for each of 10,000 pools, most of which share theirs.
KEPT = 16384

Names = Mapping[str, Mapping]


class Function(NamedTuple):
    """A compiled text.

    :ivar run: takes the dictionaries by name, returns the value; :raises FunctionError: these
        dictionaries do not fit, for example because a name is missing.
    :ivar reads: the names that it reads, as 'DICTIONARY.NAME'.
    """

    run: Callable[[Names], Value]
    reads: tuple[str, ...] = ()

    @property
    def is_about_pool(self) -> bool:
        """Whether the value depends on the pool; otherwise a request has one value."""
        return any(name.startswith(('stats.', 'capabilities.')) for name in self.reads)

    def values(self, names: Names) -> str:
        """Return what it reads, for the reason of a refusal: 'volume.size = 80, ...'."""
        found = []
        for name in self.reads:
            space, _dot, path = name.partition('.')
            with contextlib.suppress(KeyError):
                found.append(f'{name} = {plain(lookup(names[space], path))}')
        return ', '.join(found)


def compile_function(text: str) -> Function:
    """Return the function of a text.

    :param text: such as '(volume.size < 10) * 100'.
    :raises FunctionError: the text is not in the language, or cannot have a value; the error names
        the column.
    """
    made = _compile(text)
    if isinstance(made, FunctionError):
        raise made.again()
    return made


def evaluate(text: str, names: Names) -> Value:
    """Return the value of a text.

    :raises FunctionError: see compile_function() and Function.run.
    """
    return compile_function(text).run(names)


@functools.lru_cache(KEPT)
def _compile(text: str) -> Function | FunctionError:
    """Return the function, or the error, so that the cache has bad texts as well."""
    # Imported here because the parser takes longer to import than the rest of the scheduler, and
    # most configurations have no function.
    from cinder.scheduler.evaluator import language
    if len(text) > MAX_LENGTH:
        return FunctionError(f'it has {len(text)} characters, expected at most {MAX_LENGTH}')
    operators = len(_OPERATOR.findall(text))
    if operators > MAX_OPERATORS:
        return FunctionError(f'it has {operators} operators, expected at most {MAX_OPERATORS}')
    try:
        node = language.parse(text, DICTIONARIES, MAX_DEPTH)
        return Function(node.run, tuple(sorted(node.reads)))
    except FunctionError as error:
        return error
