# SPDX-License-Identifier: Apache-2.0
"""The grammar of the expressions, as the public documentation of the driver filter describes them.

translator.py has the meaning of each rule. The parser is LALR(1), whose time grows with the length
of the text, also for nested parentheses.
"""
import functools
from collections.abc import Sequence
from typing import cast

import lark

from cinder.scheduler.evaluator.operators import FunctionError
from cinder.scheduler.evaluator.translator import Node, Translator, column_of

# From the weakest operator to the strongest: a condition binds stronger than `and`, `not` stronger
# than a comparison.
GRAMMAR = r'''
?start: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: condition (_AND condition)*
?condition: comparison [_QUESTION disjunction _COLON condition]
?comparison: inversion (COMPARE inversion)*
?inversion: sum | NOT inversion
?sum: product (SIGN product)*
?product: sign (SCALE sign)*
?sign: power | SIGN sign
?power: atom [_POWER sign]
?atom: NUMBER -> number | TEXT -> text | NAME -> name | _OPEN disjunction _CLOSE -> parentheses
     | NAME _OPEN disjunction (_COMMA disjunction)* _CLOSE -> call
_OR.2: /or(?![a-z0-9_.])|\|\|?/i
_AND.2: /and(?![a-z0-9_.])|&&?/i
NOT.2: /not(?![a-z0-9_.])|!(?!=)/i
COMPARE: "<=" | ">=" | "==" | "!=" | "<>" | "<" | ">"
SIGN: "+" | "-"
SCALE: "*" | "/"
_POWER: "^"
_QUESTION: "?"
_COLON: ":"
_COMMA: ","
_OPEN: "("
_CLOSE: ")"
NUMBER: /[0-9]+(\.[0-9]+)?|\.[0-9]+/
TEXT: /"[^"]*"|'[^']*'/
NAME: /[a-z_.][a-z0-9_.]*/i
%ignore /\s+/
'''
# What the parser expects, for errors.
WORDS = {'$END': 'the end', 'NUMBER': 'a number', 'TEXT': 'a text', 'NAME': 'a name',
         'NOT': "'not'", '_OR': "'or'", '_AND': "'and'", 'COMPARE': 'a comparison',
         'SIGN': "'+', '-'", 'SCALE': "'*', '/'", '_POWER': "'^'", '_QUESTION': "'?'",
         '_COLON': "':'", '_COMMA': "','", '_OPEN': "'('", '_CLOSE': "')'"}


def parse(text: str, dictionaries: Sequence[str], max_depth: int) -> Node:
    """Return the node of a whole expression.

    :param dictionaries: names that may be before a dot.
    :raises FunctionError: the text is not in the language; names the column.
    """
    parser = _parser(tuple(dictionaries), max_depth)
    try:
        # The transformer returns a node where the type of the library has a tree.
        return cast(Node, parser.parse(text))
    except lark.exceptions.UnexpectedCharacters as error:
        raise FunctionError(f'{text[error.pos_in_stream]!r} is not expected here',
                            error.pos_in_stream + 1) from None
    except lark.exceptions.UnexpectedToken as error:
        raise _unexpected(error, text) from None


def _unexpected(error: lark.exceptions.UnexpectedToken, text: str) -> FunctionError:
    wanted = ', '.join(words for name, words in WORDS.items() if name in error.accepts)
    if error.token.type == '$END':
        return FunctionError(f'the text ends, expected {wanted}', len(text) + 1)
    return FunctionError(f'found {str(error.token)!r}, expected {wanted}', column_of(error.token))


@functools.cache
def _parser(dictionaries: tuple[str, ...], max_depth: int) -> lark.Lark:
    return lark.Lark(GRAMMAR, parser='lalr', transformer=Translator(dictionaries, max_depth),
                     maybe_placeholders=False)
