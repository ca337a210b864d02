# SPDX-License-Identifier: Apache-2.0
"""Reads a JSON object of any size in bounded memory: the values one by one, and the elements of its
arrays one by one; a list of digests in runs of bytes. What is not JSON is an error with its place.
"""
import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from cinder import exception
from cinder.backup import driver

_PIECE = 2**18
# Characters of one value, and keys of the object.
_MOST, _KEYS = 2**22, 100
_SPACE = re.compile(r'[ \t\r\n]*+')
_DIGESTS = re.compile(r'(?:[ \t\r\n]*+"[0-9a-f]{64}"[ \t\r\n]*+,)++')
_NOT_HEX = {ord(character): None for character in '", \t\r\n'}


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is not JSON')


_decoder = json.JSONDecoder(parse_constant=_refuse)


class Items:
    """Iterates over (key, value); for an array: (key, element) for each element, and for the array
    `digests`: (key, bytes), any number of digests at a time.

    :param where: the object, for errors
    """

    def __init__(self, stream: driver.Reader, where: str, digests: str = '') -> None:
        self._stream, self._where, self._digests = stream, where, digests
        self._decode = codecs.getincrementaldecoder('utf-8')().decode
        self._text, self._at, self._passed, self._ended = '', 0, 0, False

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        self._expect('{')
        keys: set[str] = set()
        if self._next() == '}':
            return
        while True:
            key = self._value()
            if not isinstance(key, str) or key in keys or len(keys) > _KEYS:
                raise self._error('expected a key that differs from all others')
            keys.add(key)
            self._expect(':')
            if self._next() == '[':
                yield from ((key, element) for element in self._elements(key == self._digests))
            else:
                yield key, self._value()
            if self._expect(',}') == '}':
                break
        if self._next():
            raise self._error('expected the end')

    def _elements(self, digests: bool) -> Iterator[Any]:
        self._expect('[')
        if self._next() == ']':
            self._expect(']')
            return
        while True:
            if digests:
                yield from self._runs()
            element = self._value()
            yield _digest(element) if digests else element
            if self._expect(',]') == ']':
                return

    def _runs(self) -> Iterator[bytes]:
        """Return the digests that a comma follows."""
        while True:
            run = _DIGESTS.match(self._text, self._at)
            if run:
                self._at = run.end()
                yield bytes.fromhex(run[0].translate(_NOT_HEX))
            if not self._fill() or not run and len(self._text) - self._at > 2 * _PIECE:
                return

    def _value(self) -> Any:
        wanted = _PIECE
        self._next()
        while True:
            error: Exception | None = None
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as exc:
                error = exc
            # A number may go on.
            if not error and (end < len(self._text) or self._ended):
                self._at = end
                return value
            if self._ended or len(self._text) - self._at > _MOST:
                raise self._error('expected a value of JSON') from error
            while not self._ended and len(self._text) - self._at < wanted:
                self._fill()
            wanted *= 2

    def _next(self) -> str:
        """Return the next character that is no space, '' at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ''

    def _expect(self, characters: str) -> str:
        found = self._next()
        if not found or found not in characters:
            raise self._error(f'expected one of {characters}')
        self._at += 1
        return found

    def _fill(self) -> bool:
        """Read more, and forget what is done; return whether there was more."""
        data = b'' if self._ended else self._stream.read(_PIECE)
        self._ended = not data
        try:
            more = self._decode(data, self._ended)
        except UnicodeDecodeError as exc:
            raise self._error(f'it is not UTF-8: {exc.reason}') from exc
        self._passed += self._at
        self._text, self._at = self._text[self._at:] + more, 0
        return bool(data)

    def _error(self, expected: str) -> exception.BackupDataError:
        return exception.BackupDataError(
            where=f'{self._where}, character {self._passed + self._at}',
            reason=f'it is not JSON of the expected form: {expected}')


def _digest(element: Any) -> bytes:
    if isinstance(element, str) and re.fullmatch('[0-9a-f]{64}', element):
        return bytes.fromhex(element)
    return b''
