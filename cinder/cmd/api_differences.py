# SPDX-License-Identifier: Apache-2.0
"""Compares two walks over APIs, answer by answer and value by value. What is meant to differ after
an adoption is a table with reasons."""
import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib import parse

from cinder.cmd.api_walk import Answer

# A walk: path -> answer.
Walk = Mapping[str, Answer]
MISSING = '(missing)'
_ADDRESS = re.compile(r'^https?://[^/]+(?:(?:/[^/]+)*?(?=/v3/))?')


class Intended(NamedTuple):
    """Values that may differ.

    :param path: expression for the beginning of the path
    :param place: expression for the whole of the place in the answer
    :param pairs: only these old and new values; none: all
    """

    path: str
    place: str
    reason: str
    pairs: tuple[tuple[Any, Any], ...] = ()


# The places are those of `_differences`: keys with dots, members of lists in brackets.
INTENDED: tuple[Intended, ...] = (
    Intended('.*', r'(itemNotFound|badRequest|forbidden)\.message', 'the texts of errors'),
    Intended('.*%2F', 'status', 'the original does not find a key with a slash', ((404, 200),)),
    Intended('messages', '.*', 'user messages are not copied, they expire'),
    Intended('attachments/', r'(.*\.)?connection_info', 'no connection information is an empty '
             'object', ((None, {}),)),
    Intended('volumes', r'.*\.attachments order', 'the attachments of a volume are sorted by age'),
    Intended('backups/.*/export_record', r'.*\.(num_dependent_backups|updated_at)',
             'the record of a backup does not count the backups that depend on it'),
    Intended('os-quota-sets/.*usage', r'quota_set\..*\.in_use',
             'usage is counted; "db adopt --check" lists where that of the original had drifted'),
    Intended('limits', r'limits\.absolute\.total.*Used',
             'usage is counted; "db adopt --check" lists where that of the original had drifted'),
    Intended('(os-services|os-hosts)$', '(services|hosts) order',
             'the original does not sort services'),
    Intended('os-services', r'services\[.*\]\.(updated_at|backend_state)',
             'the last reports of services'),
    Intended('os-hosts$', r'hosts\[.*\]\.last-update', 'the last reports of services'),
    Intended('os-hosts$', r'hosts\[.*\]', 'disabled services are among the hosts',
             ((MISSING, ...),)),
    Intended('os-hosts/', '', 'disabled services are among the hosts', ((MISSING, ...),)),
    Intended('os-hosts/', r'host(\[.*\]| order)', 'the usage of a host is that of all its back '
             'ends, sorted by project'),
    Intended('extensions', r'.*(\.description|\.updated| order)', 'descriptions of extensions'),
    Intended('scheduler-stats', r'pools\[.*\]\.capabilities\..*',
             'capabilities are those that our drivers report'),
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
                   if re.match(each.path, path) and re.fullmatch(each.place, place)
                   and _fits(each.pairs, old, new)), None)
    return Difference(path, place, old, new, reason)


def _fits(pairs: tuple[tuple[Any, Any], ...], old: Any, new: Any) -> bool:
    """Return whether old and new are one of the pairs, in which ... stands for any value."""
    return not pairs or any((was is ... or was == old) and (now is ... or now == new)
                            for was, now in pairs)


def _plain(value: Any, rename: Callable[[str], str]) -> Any:
    """Return a value without the addresses of the API, and with the new names."""
    if isinstance(value, dict):
        return {rename(key): _plain(_record(each) if key == 'backup_url' else each, rename)
                for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, rename) for each in value]
    return rename(_ADDRESS.sub('', value)) if isinstance(value, str) else value


def _record(value: Any) -> Any:
    """Return what the record of an exported backup has."""
    try:
        return json.loads(base64.b64decode(value))
    except (TypeError, ValueError):
        return value


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
_NAMES = (('attachment_id',), ('id',), ('host_name', 'service'), ('binary', 'host'), ('alias',),
          ('resource',), ('project_id', 'volume_type_id'), ('zoneName',), ('name',))


def _by_name(rows: list) -> dict[str, Any] | None:
    """Return name -> member; None if the members have no names, or the same ones."""
    if not all(isinstance(row, dict) for row in rows):
        return None
    for fields in _NAMES:
        if all(field in row for row in rows for field in fields):
            found = {' '.join(str(row[field]) for field in fields): row for row in rows}
            if len(found) == len(rows):
                return found
    return None
