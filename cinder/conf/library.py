# SPDX-License-Identifier: Apache-2.0
"""Options of the libraries, from the table library_options.json, which tools/library_options.py
generates. An option that is not in the table is looked up in the libraries themselves."""

import functools
import importlib.metadata
import json
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from oslo_config import cfg, types

_PATH = pathlib.Path(__file__).with_name('library_options.json')
DEFAULT = 'DEFAULT'


class Option(NamedTuple):
    """The properties of an option, without registering it.

    :param type: converts a string; raises ValueError
    :param now: the current name as `[section] name`, if this name is deprecated
    """

    type: Callable[[str], Any]
    secret: bool = False
    multi: bool = False
    now: str | None = None
    default: Any = None


def from_opt(opt: cfg.Opt, now: str | None = None) -> Option:
    """Return the properties of a declared option."""
    return Option(opt.type, opt.secret, opt.multi, now, opt.default)


def section_key(section: str) -> str:
    """Return the name of a section as oslo.config compares it."""
    return section if section == DEFAULT else section.lower()


def sections() -> list[str]:
    """Return the sections that the libraries read."""
    return [section for section in _table() if section != DEFAULT]


def names(section: str) -> list[str]:
    """Return the current names of the options that the libraries read in a section."""
    return [name for name, row in _table().get(section, {}).items() if 'now' not in row]


def find(section: str, name: str) -> Option | None:
    """Return the option of a library, or None.

    :param section: name as normal() returns it
    """
    row = _table().get(section, {}).get(name)
    if row and 'own_type' in row:
        return _declared(section, (row['library'],)).get(name)
    return _option(row) if row else None


def find_newer(section: str, name: str) -> Option | None:
    """Return the option as a library declares it whose version differs from that of the table, or
    None; slow, because it imports the library."""
    rows = _table().get(section, {})
    return _declared(section, _other_versions({row['library'] for row in rows.values()})).get(name)


def find_credential(name: str) -> Option | None:
    """Return an authentication option, for sections that `auth_section` names."""
    return find('service_user', name)


@functools.cache
def _content() -> dict[str, dict]:
    return json.loads(_PATH.read_text())


def _table() -> dict[str, dict[str, dict]]:
    return _content()['sections']


def _other_versions(libraries: Iterable[str]) -> tuple[str, ...]:
    made_with = _content()['made_with']
    return tuple(name for name in sorted(libraries)
                 if importlib.metadata.version(name) != made_with[name])


@functools.cache
def _declared(section: str, libraries: tuple[str, ...]) -> dict[str, Option]:
    from cinder.conf import library_source
    found: dict[str, Option] = {}
    if not libraries:
        return found
    for where, _library, opt in library_source.declared(libraries):
        if where == section:
            found[opt.dest] = from_opt(opt)
            found |= {old.name: from_opt(opt, f'[{section}] {opt.dest}')
                      for old in opt.deprecated_opts if old.name}
    return found


def _option(row: dict[str, Any]) -> Option:
    limits = {name: row[name] for name in ('min', 'max', 'max_length', 'ignore_case', 'schemes',
                                           'choices') if name in row}
    if 'regex' in row:
        limits['regex'] = re.compile(row['regex'])
    kind = getattr(types, row['type'], types.String)
    return Option(kind(**limits), row.get('secret', False), row.get('multi', False),
                  row.get('now'))
