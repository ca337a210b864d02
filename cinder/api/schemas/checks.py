# SPDX-License-Identifier: Apache-2.0
"""Compiles schemas to checks. Clients match the messages, so these are the messages of jsonschema
with the name of the field in front."""
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cinder import exception
from cinder.api.schemas import base
from cinder.i18n import _

if TYPE_CHECKING:
    import jsonschema


@functools.cache
def _checker() -> 'jsonschema.FormatChecker':
    import jsonschema
    checker = jsonschema.FormatChecker(formats=())
    for name, (rule, _reason) in base.FORMATS.items():
        checker.checks(name)(rule)
    return checker


def compile_check(schema: base.Schema) -> Callable[[Any], None]:
    """Return a function that raises Invalid, with the reason, for data that the schema rejects.

    jsonschema is imported at the first body, because it takes a tenth of the start of a process.
    """
    import jsonschema
    validator = jsonschema.Draft202012Validator(schema, format_checker=_checker())

    def check(data: Any) -> None:
        error = next(validator.iter_errors(data), None)
        if error is not None:
            raise exception.Invalid(_reason(error))
    return check


def _reason(error: 'jsonschema.ValidationError') -> str:
    """Return the message that clients know: last key of the path, value, message of jsonschema."""
    # The message is logged, so it must not contain secrets.
    secret = not base.SECRETS.isdisjoint(error.absolute_path)
    value = '***' if secret else _without_secrets(error.instance)
    shown = value if secret else _cut(repr(value))
    reason = _cut(_words(error).replace(repr(error.instance), shown), 600)
    if not error.absolute_path:
        return reason
    return _('Invalid input for field/attribute %(field)s. Value: %(value)s. %(reason)s') % {
        'field': str(error.absolute_path[-1])[:300], 'value': _cut(str(value)), 'reason': reason}


def _words(error: 'jsonschema.ValidationError') -> str:
    if error.validator == 'format':
        meaning = base.FORMATS[error.validator_value][1]
        if isinstance(meaning, str):
            return f'{error.instance!r} {meaning}'
        error = _complaint(meaning.schema, meaning.read(error.instance))
    if error.validator == 'anyOf':
        keys = ', '.join(repr(row['required'][0]) for row in error.validator_value)
        return _('at least one of %s is needed') % keys
    if error.validator == 'pattern' and error.validator_value.startswith(base.ANY_CASE):
        words = error.validator_value.removeprefix(base.ANY_CASE).removesuffix(r'\Z')[1:-1]
        values = [re.sub(r'\\(.)', r'\1', word) for word in words.split('|') if word]
        return f'{error.instance!r} is not one of {values}'
    # \Z is the $ of other languages, except that it does not match before a final line feed.
    return error.message.replace(r'\\Z', '$')


def _complaint(schema: base.Schema, value: object) -> 'jsonschema.ValidationError':
    """Return the error of jsonschema for a value that a plain schema rejects."""
    import jsonschema
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    return next(kind(schema).iter_errors(value))


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {key: '***' if key in base.SECRETS else _without_secrets(inner)
                for key, inner in value.items()}
    return value


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[:most] + '...'
