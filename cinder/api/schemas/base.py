# SPDX-License-Identifier: Apache-2.0
"""Building blocks of the request schemas; checks.py compiles them.

A schema is plain JSON schema (2020-12); further rules are the formats in FORMATS.
"""
import base64
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from oslo_utils import timeutils

MAX_INT = 2 ** 31 - 1
TRUE = ('True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't')
FALSE = ('False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f')
# Fields of bodies whose values are secret.
SECRETS = frozenset(('auth_key', 'auth_password', 'discovery_auth_password'))
DRAFT_4 = 'http://json-schema.org/draft-04/schema#'
_DIGITS = re.compile(r'[+-]?[0-9]{1,30}')
ANY_CASE = r'(?i)\A'
LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR')

Schema = dict[str, Any]


# ----------------------------------------------------------------------------------------- formats
def _in_range(value: object, lowest: int, highest: int) -> bool:
    value = _number(value)
    return type(value) is int and lowest <= value <= highest


def _is_uuid(value: object) -> bool:
    if value is None:
        return True
    try:
        uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def _are_uuids(value: object) -> bool:
    """Return whether the value is one id or a list of them."""
    return all(map(_is_uuid, value)) if isinstance(value, list) else _is_uuid(value)


def _is_base64(value: object) -> bool:
    try:
        base64.b64decode(value)
    except ValueError:
        return False
    return True


def _is_time(value: str | None) -> bool:
    try:
        return value is None or bool(timeutils.parse_isotime(value))
    except (ValueError, OverflowError):
        return False


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


class Plain(NamedTuple):
    """A rule in plain JSON schema, for the value that `read` returns: clients match the messages
    that jsonschema has for it."""

    read: Callable[[Any], Any]
    schema: Schema


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value.strip()) <= 255


_FILLED = Plain(_trimmed, {'minLength': 1, 'maxLength': 255})
# Format name -> (rule, message). A rule gets every JSON type that the schema allows.
FORMATS: dict[str, tuple[Callable[[Any], bool], str | Plain]] = {
    'uuid': (_is_uuid, "is not a 'uuid'"),
    'name': (_is_filled, _FILLED),
    'trimmed 255': (lambda value: not isinstance(value, str) or len(value.strip()) <= 255,
                    Plain(_trimmed, {'maxLength': 255})),
    'trimmed 1-255': (lambda value: not value or _is_filled(value), _FILLED),
    'filled or null': (lambda value: value is None or _is_filled(value), _FILLED),
    'printable': (lambda value: not isinstance(value, str) or value.isprintable(),
                  'contains a character that is not printable'),
    'uuids': (_are_uuids, 'is neither a UUID nor a list of them'),
    # The size of a TEXT column in MySQL.
    'text column': (lambda value: not isinstance(value, str) or len(value.encode()) <= 65535,
                    'is longer than 65535 bytes'),
    'base64': (_is_base64, 'is not base64'),
    'time': (_is_time, 'is not a time'),
    'log level': (lambda value: not value or value.upper() in LEVELS,
                  'is not one of DEBUG, INFO, WARNING and ERROR'),
}


# -------------------------------------------------------------------------------- building blocks
def nullable(schema: Schema) -> Schema:
    """Return the schema that also allows null."""
    kinds = schema['type'] if isinstance(schema['type'], list) else [schema['type']]
    made = {**schema, 'type': [*kinds, 'null']}
    if 'enum' in schema:
        made['enum'] = [*schema['enum'], None]
    return made


def text(shortest: int = 0, longest: int = 255, pattern: str | None = None,
         check: str | None = None) -> Schema:
    """Return the schema of a string; `shortest` and `longest` are characters, `check` a format."""
    made: Schema = {'type': 'string', 'minLength': shortest, 'maxLength': longest}
    if pattern:
        made['pattern'] = pattern
    if check:
        made['format'] = check
    return made


def integer(lowest: int, highest: int = MAX_INT) -> Schema:
    """Return the schema of an integer, or of its digits as a string."""
    name = f'whole number from {lowest} to {highest}'
    limits = {'pattern': f'^{_DIGITS.pattern}\\Z', 'minimum': lowest, 'maximum': highest}
    # Draft 4 of JSON schema, unlike later ones, does not accept 1.0 as an integer.
    FORMATS[name] = (
        lambda value: value is None or _in_range(value, lowest, highest),
        Plain(_number, {'type': ['integer', 'string'], '$schema': DRAFT_4, **limits}))
    return {'type': ['integer', 'string'], **limits, 'format': name}


def one_of(*values: object) -> Schema:
    """Return the schema of one of these values."""
    return {'type': 'string', 'enum': list(values)}


def any_case(*values: str) -> Schema:
    """Return the schema of one of these strings in any case; handlers convert it to lower case."""
    return {'type': 'string',
            'pattern': rf"{ANY_CASE}({'|'.join(map(re.escape, values))})\Z"}


def obj(_required: tuple[str, ...] | list[str] = (), _extra: bool = False,
        **properties: Schema) -> Schema:
    """Return the schema of an object with these keys; `_extra` allows further keys."""
    return {'type': 'object', 'properties': properties, 'required': list(_required),
            'additionalProperties': _extra}


def wrap(key: str, schema: Schema, **others: Schema) -> Schema:
    """Return the schema of a body with the required key `key`, and optional `others`."""
    return {'type': 'object', 'properties': {key: schema, **others}, 'required': [key],
            'additionalProperties': False}


def mapping(pattern: str, value: Schema, **facts: Any) -> Schema:
    """Return the schema of an object whose keys match `pattern`."""
    return {'type': 'object', 'patternProperties': {pattern: value},
            'additionalProperties': False, **facts}


def any_of_keys(schema: Schema, *keys: str) -> Schema:
    """Return the schema of the same object with at least one of these keys."""
    return {**schema, 'anyOf': [{'required': [key]} for key in keys]}


ANYTHING: Schema = {}
BOOLISH: Schema = {'type': ['boolean', 'string'], 'enum': [True, *TRUE, False, *FALSE]}
UUID: Schema = {'type': 'string', 'format': 'uuid'}
UUID_OR_NULL = nullable(UUID)
NAME = text(1, 255, check='name')
OPTIONAL_NAME: Schema = {'type': ['string', 'null'], 'format': 'trimmed 255'}
OPTIONAL_DESCRIPTION = OPTIONAL_NAME
METADATA_KEY = r'^[a-zA-Z0-9-_:. /]{1,255}\Z'
METADATA = mapping(METADATA_KEY, text(0, 255))
EXTRA_SPECS = mapping(METADATA_KEY, nullable(text(0, 255)))
HOST = text(1, 255, pattern=r'^[a-zA-Z0-9-._#@:/+\[\]]*\Z')
OBJECT: Schema = {'type': 'object'}


def boolean(value: bool | str) -> bool:
    """Convert a valid BOOLISH value."""
    return value if isinstance(value, bool) else value in TRUE


def normalize_uuid(value: str | None) -> str | None:
    """Convert a valid UUID to the form in the database: requests may have capitals, braces, a urn
    prefix or no dashes."""
    return str(uuid.UUID(value)) if value else None
