# SPDX-License-Identifier: Apache-2.0
"""Converts query parameters: (name, text) -> value."""
from collections.abc import Callable, Sequence

from cinder import exception
from cinder.i18n import _

MAX_INT = 2 ** 31 - 1
_TRUE = frozenset(('1', 't', 'true', 'on', 'yes', 'y'))
_FALSE = frozenset(('0', 'f', 'false', 'off', 'no', 'n'))


def text(_name: str, value: str) -> str:
    return value


def boolean(name: str, value: str) -> bool:
    """Convert a query parameter; :raises InvalidParameterValue: it is not a boolean."""
    word = value.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise exception.InvalidParameterValue(err=_('%(name)s: %(value)s is not a boolean')
                                          % {'name': name, 'value': value[:255]})


def one_of(words: Sequence[str]) -> Callable[[str, str], str]:
    """Return a converter to one of some words, which raises InvalidInput for any other."""
    def convert(name: str, value: str) -> str:
        if value not in words:
            raise exception.InvalidInput(
                reason=_('%(name)s = %(value)s must be one of %(expected)s') % {
                    'name': name, 'value': value[:255], 'expected': ', '.join(words)})
        return value
    return convert


class Whole:
    """Converts to an integer from 0 to `highest`.

    :ivar schema: JSON schema of the values
    """

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self.schema = {'type': 'integer', 'minimum': 0, 'maximum': highest}

    def __call__(self, name: str, value: str) -> int:
        return integer(name, value, self._highest)


def integer(name: str, value: str, highest: int = MAX_INT) -> int:
    """Convert to an integer from 0 to `highest`; :raises InvalidParameterValue: it is not one."""
    if not (value.isascii() and value.isdigit() and len(value) < 20) or int(value) > highest:
        raise exception.InvalidParameterValue(
            err=_('%(name)s: %(value)s is not a whole number from 0 to %(highest)d')
            % {'name': name, 'value': value[:255], 'highest': highest})
    return int(value)
