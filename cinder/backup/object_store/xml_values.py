# SPDX-License-Identifier: Apache-2.0
"""The values of an answer of S3, which is XML without attributes that matter."""
import contextlib
from xml.parsers import expat


def read(text: str | bytes) -> dict[str, list[str]]:
    """Return name of an element -> the texts of the elements of that name, in order; what can be
    read of a text that is no XML."""
    values: dict[str, list[str]] = {}
    parts: list[str] = []

    def start(_name: str, _attributes: dict[str, str]) -> None:
        parts.clear()

    def end(name: str) -> None:
        values.setdefault(name, []).append(''.join(parts))
        parts.clear()

    def refuse(*_arguments: object) -> None:
        raise ValueError('the answer has a document type')

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = parts.append
    # No entities: S3 uses none, and they can grow without limit.
    parser.StartDoctypeDeclHandler = refuse
    with contextlib.suppress(expat.ExpatError, ValueError):
        parser.Parse(text, True)
    return values


def first(values: dict[str, list[str]], name: str) -> str:
    """Return the first value of a name, or ''."""
    return values.get(name, [''])[0]
