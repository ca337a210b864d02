# SPDX-License-Identifier: Apache-2.0
"""Converts values of rows of the original. A value that cannot be stored as it is meant is refused
with its reason; a value that was repaired is reported. The rules are data, see mapping."""
import datetime
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from cinder.db import models

Row = Mapping[str, Any]


class Unusable(Exception):
    """A value that must not be copied; the text follows the name of the column."""


class Rule(NamedTuple):
    """How a column of ours gets its value.

    :param sources: columns of the original that it is made of
    :param kind: key of KINDS
    :param argument: for the kind
    """

    sources: tuple[str, ...]
    kind: str = 'same'
    argument: object = None


class Scope:
    """What conversions need besides the row.

    :param hosts: renamed hosts, see rename()
    :param repaired: called with the text of a repair of the present row
    """

    def __init__(self, hosts: Mapping[str, str], repaired: Callable[[str], None]) -> None:
        self.hosts, self.repaired = hosts, repaired
        # (column of ours, id) -> row of the table that it refers to.
        self.parents: Mapping[str, Mapping[object, Row]] = {}
        # Root of specs -> its consumer.
        self.consumers: Mapping[object, object] = {}


Conversion = Callable[[Row, Scope], object]


# ------------------------------------------------------------------------------------- by type
def _text(value: object, length: int | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        if isinstance(value, bytes | bytearray | memoryview):
            raise Unusable('is not text')
        value = str(value)
    if '\0' in value or not value.isprintable() and any('\ud800' <= char <= '\udfff'
                                                        for char in value):
        raise Unusable('is not text in UTF-8 without NUL')
    if length is not None and len(value) > length:
        raise Unusable(f'is longer than {length} characters')
    return value


def _number(value: object, lowest: int = -2 ** 31) -> int | None:
    if value is None:
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        raise Unusable('is not a number') from None
    if number != value and str(number) != str(value).strip():
        raise Unusable('is not a whole number')
    if not lowest <= number < 2 ** 31:
        raise Unusable(f'is not in the range {lowest} to {2 ** 31 - 1}')
    return number


_FLAGS = {'0': False, '1': True, 'false': False, 'true': True, 'f': False, 't': True}


def flag(value: object) -> bool | None:
    """Return a Boolean value of any engine; None stays None."""
    if value is None or isinstance(value, bool):
        return value
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise Unusable('is not a Boolean value')
    return found


def moment(value: object) -> datetime.datetime | None:
    """Return a time of any engine as naive UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            raise Unusable('is not a time') from None
    if not isinstance(value, datetime.datetime):
        raise Unusable('is not a time')
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _json(value: object) -> object:
    text = _text(value, None)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        raise Unusable('is not JSON') from None
    if found is not None and not isinstance(found, dict):
        raise Unusable('is not an object in JSON')
    return found or None


def _typed(column: sa.Column) -> Callable[[object], object]:
    """Return the conversion for the type of a column of ours."""
    kind = column.type
    if isinstance(kind, models.Json):
        return _json
    if isinstance(kind, sa.Boolean):
        return flag
    if isinstance(kind, sa.DateTime):
        return moment
    if isinstance(kind, sa.Integer):
        return _number
    length = getattr(kind, 'length', None)
    return lambda value: _text(value, length)


# ---------------------------------------------------------------------------------------- kinds
def _same(rule: Rule, column: sa.Column) -> Conversion:
    """The value, in the type of our column."""
    convert, (name,) = _typed(column), rule.sources
    if not column.nullable:
        return _required(rule, column)
    return lambda row, scope: convert(row[name])


def _required(rule: Rule, column: sa.Column) -> Conversion:
    """The value, which must not be NULL."""
    convert, (name,) = _typed(column), rule.sources

    def required(row: Row, scope: Scope) -> object:
        value = convert(row[name])
        if value is None or value == '' and column.primary_key and name == 'id':
            raise Unusable('is NULL')
        return value
    return required


def _default(rule: Rule, column: sa.Column) -> Conversion:
    """The value; for NULL, which means this, the argument."""
    convert, (name,) = _typed(column), rule.sources

    def default(row: Row, scope: Scope) -> object:
        value = convert(row[name])
        return rule.argument if value is None else value
    return default


def _repaired(rule: Rule, column: sa.Column) -> Conversion:
    """The value; for NULL, which should not be there, the argument."""
    convert, (name,) = _typed(column), rule.sources

    def repaired(row: Row, scope: Scope) -> object:
        value = convert(row[name])
        if value is None:
            scope.repaired(f'{name} is NULL and becomes {rule.argument}')
            return rule.argument
        return value
    return repaired


def _made(rule: Rule, _column: sa.Column) -> Conversion:
    """The argument."""
    return lambda row, scope: rule.argument


def _size(rule: Rule, _column: sa.Column) -> Conversion:
    """A number of GiB, which is not NULL and not negative."""
    (name,) = rule.sources

    def size(row: Row, scope: Scope) -> int:
        value = _number(row[name], 0)
        if value is None:
            raise Unusable('is NULL')
        return value
    return size


def _among(rule: Rule, column: sa.Column) -> Conversion:
    """One of the values of the argument; that of a deleted row is kept as it is."""
    required = _required(rule, column)
    known: Iterable = rule.argument  # type: ignore[assignment]

    def among(row: Row, scope: Scope) -> object:
        value = required(row, scope)
        if value not in known and not is_deleted(row):
            raise Unusable('has an unknown value')
        return value
    return among


def _created(rule: Rule, _column: sa.Column) -> Conversion:
    """The time of the creation; without it, the first other time of the row, or 1970."""
    name, *others = rule.sources

    def created(row: Row, scope: Scope) -> datetime.datetime:
        value = moment(row[name])
        if value is not None:
            return value
        scope.repaired(f'{name} is NULL and becomes the first other time of the row, or 1970')
        found = next((row[other] for other in others if row[other] is not None), None)
        return moment(found) or datetime.datetime(1970, 1, 1)
    return created


def is_deleted(row: Row) -> bool:
    """Return whether a row is deleted; `deleted` may be the id of the row itself."""
    return row.get('deleted') not in (None, False, 0, '0')


def _deleted(_rule: Rule, _column: sa.Column) -> Conversion:
    """Whether the row is deleted."""
    return lambda row, scope: is_deleted(row)


def _live_name(rule: Rule, column: sa.Column) -> Conversion:
    """The name of a row that is not deleted."""
    convert, name = _typed(column), rule.sources[0]
    return lambda row, scope: None if is_deleted(row) else convert(row[name])


def _host(rule: Rule, column: sa.Column) -> Conversion:
    """A name 'host@backend#pool', renamed as --map-host says."""
    convert, (name,) = _typed(column), rule.sources

    def host(row: Row, scope: Scope) -> object:
        value = convert(row[name])
        if value is None and not column.nullable:
            raise Unusable('is NULL')
        return value if value is None else rename(str(value), scope.hosts)
    return host


def rename(value: str, hosts: Mapping[str, str]) -> str:
    """Return a name 'host@backend#pool' with its longest beginning that is in `hosts` replaced; a
    beginning ends at '@', '#' or the end."""
    for end in range(len(value), 0, -1) if hosts else ():
        if (end == len(value) or value[end] in '@#') and value[:end] in hosts:
            return hosts[value[:end]] + value[end:]
    return value


def _parent(rule: Rule, _column: sa.Column) -> Conversion:
    """A column (argument) of the row that the source column refers to."""
    (name,) = rule.sources
    return lambda row, scope: scope.parents[name].get(row[name], {}).get(rule.argument)


def _consumer(_rule: Rule, _column: sa.Column) -> Conversion:
    """Who applies QoS specs: a row of its own in the original."""
    return lambda row, scope: scope.consumers.get(row['id']) or 'back-end'


def _down(_rule: Rule, column: sa.Column) -> Conversion:
    """Nothing, or 0: the daemons of this service store their own value."""
    empty = None if column.nullable else 0
    return lambda row, scope: empty


def _disabled(_rule: Rule, column: sa.Column) -> Conversion:
    """Whether the operator disabled a service: what --fence did is not copied."""
    def disabled(row: Row, scope: Scope) -> object:
        reason = _text(row['disabled_reason'], 255)
        fenced = (reason or '').startswith(FENCE_REASON)
        if column.name == 'disabled':
            return bool(flag(row['disabled'])) and not fenced
        return None if fenced else reason
    return disabled


# Begins the reason of services of the original that --fence disabled.
FENCE_REASON = 'Adopted by cinder-manage db adopt'
# Kind -> function of the rule and our column.
KINDS: dict[str, Callable[[Rule, sa.Column], Conversion]] = {
    'same': _same, 'required': _required, 'default': _default, 'repaired': _repaired,
    'made': _made, 'size': _size, 'among': _among, 'created': _created, 'deleted': _deleted,
    'live_name': _live_name, 'host': _host, 'parent': _parent, 'consumer': _consumer,
    'down': _down, 'disabled': _disabled,
}
