# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage api`: records what an API answers, and compares two APIs, or an API with a record.
Reads only; needs neither the database nor the configuration."""
import collections
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from cinder import exception
from cinder.cmd import api_differences, api_walk
from cinder.db.adoption import conversions, hosts

SHOWN = 160
_WALK = ('--lists-only', {'action': 'store_true',
                          'help': 'do not ask for each member of a list on its own'})
RECORD_ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('endpoint', {'metavar': 'ENDPOINT', 'help': 'http://HOST:8776/v3/PROJECT; the token of an '
                  'administrator is in the environment, OS_TOKEN'}),
    ('path', {'metavar': 'FILE', 'help': 'new file for the answers'}),
    ('--microversion', {'help': 'default: the newest that the API knows'}), _WALK)
COMPARE_ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('old', {'metavar': 'OLD', 'help': 'an endpoint, or a file of record'}),
    ('new', {'metavar': 'NEW', 'help': 'an endpoint, or a file of record'}),
    ('--map-host', {'action': 'append', 'default': [], 'metavar': 'OLD=NEW',
                    'help': 'as for db adopt; can be repeated'}),
    ('--all', {'dest': 'everything', 'action': 'store_true',
               'help': 'print intended differences too'}),
    ('--json', {'dest': 'as_json', 'action': 'store_true', 'help': 'print JSON'}), _WALK)


def record(endpoint: str, path: str, microversion: str | None, lists_only: bool) -> int:
    """Write all that an API answers to a file, for compare."""
    api = _api(endpoint, microversion)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise exception.InvalidInput(reason=f'{path} cannot be made: {exc.strerror}') from exc
    with open(descriptor, 'w', encoding='utf-8') as file:
        file.write(json.dumps({'endpoint': endpoint, 'microversion': api.microversion,
                               'lists_only': lists_only}) + '\n')
        count = 0
        for place, answer in api_walk.walk(api, lists_only):
            file.write(json.dumps([place, *answer]) + '\n')
            count += 1
    print(f'{count} answers of {endpoint} with microversion {api.microversion} are in {path}')
    return 0


def compare(old: str, new: str, map_host: Sequence[str], everything: bool, as_json: bool,
            lists_only: bool) -> int:
    """Compare what two APIs answer; status 1 if something differs that is not meant to."""
    rename = renamer(map_host)
    was, facts = _walked(old, None, lists_only)
    now, _facts = _walked(new, facts['microversion'], facts['lists_only'])
    found = list(api_differences.compare(was, now, rename))
    unintended = [each for each in found if each.reason is None]
    if as_json:
        print(json.dumps({'answers': len(was), 'differences': [each._asdict() for each in found]},
                         indent=2))
    else:
        _print(len(was), found, everything)
    return 1 if unintended else 0


def _print(answers: int, found: list[api_differences.Difference], everything: bool) -> None:
    for each in found:
        if everything or each.reason is None:
            print(f'{each.path} {each.place}: {_short(each.old)} -> {_short(each.new)}'
                  + (f' ({each.reason})' if each.reason else ''))
    intended = collections.Counter(each.reason for each in found if each.reason)
    for reason, count in intended.items():
        print(f'{count} differences are intended: {reason}')
    print(f'{answers} answers compared, {len(found) - intended.total()} differences')


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f'{text[:SHOWN]}...'


# ---------------------------------------------------------------------------------------- sources
def _api(endpoint: str, microversion: str | None) -> api_walk.Api:
    token = os.environ.get('OS_TOKEN')
    if not token:
        raise exception.InvalidInput(reason='OS_TOKEN is not set in the environment; expected the '
                                     'token of an administrator ("openstack token issue")')
    return api_walk.Api(endpoint, token, microversion)


def _walked(place: str, microversion: str | None, lists_only: bool
            ) -> tuple[dict[str, api_walk.Answer], dict[str, Any]]:
    """Return path -> answer of an API or of a file, and how it was asked."""
    if place.startswith(('http://', 'https://')):
        api = _api(place, microversion)
        return dict(api_walk.walk(api, lists_only)), {
            'microversion': api.microversion, 'lists_only': lists_only}
    try:
        with open(place, encoding='utf-8') as file:
            facts, *rows = map(json.loads, file)
            walk = {path: api_walk.Answer(status, body) for path, status, body in rows}
            return walk, {name: facts[name] for name in ('microversion', 'lists_only')}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise exception.InvalidInput(
            reason=f'{place} is neither an endpoint nor a file of "cinder-manage api record": '
                   f'{exc}') from exc


def renamer(map_host: Sequence[str]) -> Callable[[str], str]:
    """Return what converts names of hosts as the adoption does.

    :raises InvalidInput: a pair is not OLD=NEW
    """
    renamed = hosts.parse(map_host)
    return lambda text: conversions.rename(text, renamed)
