# SPDX-License-Identifier: Apache-2.0
"""Compares two walks over APIs, answer by answer and value by value. What is meant to differ after
an adoption is a table with reasons."""
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib import parse

from cinder.cmd.api_walk import Answer

# A walk: path -> answer.
Walk = Mapping[str, Answer]
MISSING = '(missing)'
_ADDRESS = re.compile(r'^https?://[^/]+(/[^/]+)*?(?=/v3/)')


class Intended(NamedTuple):
    """Values that may differ.

    :param path: expression for the beginning of the path
    :param place: expression for the whole of the place in the answer
    """

    path: str
    place: str
    reason: str


# The places are those of `_differences`: keys with dots, members of lists in brackets.
INTENDED: tuple[Intended, ...] = (
)


class Difference(NamedTuple):
    """A value that differs, and the reason if it is meant to."""

    path: str
    place: str
    old: Any
    new: Any
    reason: str | None


def compare(old: Walk, new: Walk, rename: Callable[[str], str] = str) -> Iterator[Difference]:
    """Yield all differences, in the order of the old walk.

    :param rename: converts a text of the old walk, such as the name of a host
    """
    for path, answer in old.items():
        renamed = _path(path, rename)
        if renamed not in new:
            yield _judged(path, '', answer.status, MISSING)
            continue
        other = new[renamed]
        if answer.status != other.status:
            yield _judged(path, 'status', answer.status, other.status)
            continue
        for place, was, now in _differences(_plain(answer.body, rename), _plain(other.body, str)):
            yield _judged(path, place, was, now)
    known = {_path(path, rename) for path in old}
    for path in new:
        if path not in known:
            yield _judged(path, '', MISSING, new[path].status)


def _path(path: str, rename: Callable[[str], str]) -> str:
    """Return a path with the new names in it."""
    place, sign, query = path.partition('?')
    return '/'.join(parse.quote(rename(parse.unquote(part)), safe='')
                    for part in place.split('/')) + sign + query


def _judged(path: str, place: str, old: Any, new: Any) -> Difference:
    reason = next((each.reason for each in INTENDED
                   if re.match(each.path, path) and re.fullmatch(each.place, place)), None)
    return Difference(path, place, old, new, reason)


def _plain(value: Any, rename: Callable[[str], str]) -> Any:
    """Return a value without the addresses of the API, and with the new names."""
    if isinstance(value, dict):
        return {rename(key): _plain(each, rename) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, rename) for each in value]
    return rename(_ADDRESS.sub('', value)) if isinstance(value, str) else value


def _differences(old: Any, new: Any, place: str = '') -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, old, new) of the values that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            below = f'{place}.{key}' if place else key
            if key not in old or key not in new:
                yield below, old.get(key, MISSING), new.get(key, MISSING)
            else:
                yield from _differences(old[key], new[key], below)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, place)
    elif old != new or type(old) is not type(new):
        yield place, old, new


def _lists(old: list, new: list, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Compare lists: members that have names by name, and then the order of the names."""
    was, now = _by_name(old), _by_name(new)
    if was is None or now is None:
        if len(old) != len(new):
            yield place, old, new
        else:
            for number, (one, other) in enumerate(zip(old, new, strict=True)):
                yield from _differences(one, other, f'{place}[{number}]')
        return
    for name in dict.fromkeys((*was, *now)):
        if name not in was or name not in now:
            yield f'{place}[{name}]', was.get(name, MISSING), now.get(name, MISSING)
        else:
            yield from _differences(was[name], now[name], f'{place}[{name}]')
    orders = [name for name in was if name in now], [name for name in now if name in was]
    if orders[0] != orders[1]:
        yield f'{place} order', *orders


# Fields that name a member of a list, the first that all members have.
_NAMES = (('id',), ('host_name', 'service'), ('binary', 'host'), ('alias',), ('resource',),
          ('project_id', 'volume_type_id'), ('zoneName',), ('name',))


def _by_name(rows: list) -> dict[str, Any] | None:
    """Return name -> member; None if the members have no names, or the same ones."""
    if not all(isinstance(row, dict) for row in rows):
        return None
    for fields in _NAMES:
        if all(field in row for row in rows for field in fields):
            found = {' '.join(str(row[field]) for field in fields): row for row in rows}
            return found if len(found) == len(rows) else None
    return None
