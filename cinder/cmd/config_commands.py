# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage config`: shows the settings and their problems, for all programs. Changes nothing.
"""

import sys
from collections.abc import Iterator, Mapping

from oslo_config import cfg
from oslo_utils import strutils

from cinder import config_check, masking
from cinder.conf import CONF, backup, known_options, library, option_values
from cinder.conf.library import DEFAULT

PROGRAMS = (*sorted(config_check.PROGRAMS), 'cinder-all')
_HIDDEN = '****'
_OWN = ('command', 'config_file', 'config_dir', 'config_source')
_ELSEWHERE = (cfg.Locations.command_line, cfg.Locations.environment)


def check(program: str | None = None) -> int:
    """Print every problem of the configuration; status 1 if a daemon does not start with it."""
    wanted = (frozenset((program,)) if program in config_check.PROGRAMS
              else config_check.PROGRAMS if program else config_check.configured(CONF))
    if program == 'cinder-all':
        CONF.set_default('backup_driver', backup.EMBEDDED_DRIVER)
    fatal = 0
    for problem, programs in config_check.attributed(CONF, wanted):
        fatal += problem.fatal
        kind = 'error' if problem.fatal else 'warning'
        concerned = '' if programs == wanted else f' ({", ".join(sorted(programs))})'
        print(f'{kind}: {masking.masked(problem.text)}{concerned}')
    CONF.clear_default('backup_driver')
    return 1 if fatal else 0


def show(option: str | None = None) -> int | None:
    """Print the settings of files and other sources, or the value of one option; mask secrets."""
    if option:
        return _show_one(option)
    section = None
    for place, name, value in sorted(_set(), key=lambda row: (row[0] != DEFAULT, row[:2])):
        if place != section:
            print(f'[{place}]')
            section = place
        print(f'{name} = {value}')
    return None


def _show_one(option: str) -> int | None:
    group, _dot, name = option.rpartition('.')
    section: Mapping = {}
    if group in ('', DEFAULT):
        section = CONF
    elif group in CONF:
        section = CONF[group]
    if name in section and not (section is CONF and known_options.is_group(CONF, name)):
        found = option_values.Values(CONF).known.find(group or DEFAULT, name)
        print(f'{option} = {_shown(name, section[name], bool(found and found.secret))}')
        return None
    for place, present, value in _set():
        if (library.section_key(place), present) == (library.section_key(group or DEFAULT), name):
            print(f'{option} = {value}')
            return None
    print(f'Unknown option: {option}', file=sys.stderr)
    return 1


def _set() -> Iterator[tuple[str, str, str]]:
    """Yield section, name and value of everything that is set, each option once."""
    found = option_values.Values(CONF)
    for setting in found.effective():
        option = found.known.find(setting.section, setting.name)
        yield (setting.section, setting.name,
               _shown(setting.name, found.text(setting), bool(option and option.secret)))
    for section, name in _set_elsewhere():
        option = found.known.find(section, name)
        value = CONF[name] if section == DEFAULT else CONF[section][name]
        yield section, name, _shown(name, value, bool(option and option.secret))


def _set_elsewhere() -> Iterator[tuple[str, str]]:
    for name in CONF:
        if name not in _OWN:
            group = known_options.is_group(CONF, name)
            for option in CONF[name] if group else (name,):
                if _is_elsewhere(option, name if group else None):
                    yield name if group else DEFAULT, option


def _is_elsewhere(option: str, group: str | None) -> bool:
    try:
        where = CONF.get_location(option, group)
    except (cfg.Error, ValueError):
        return False
    return where is not None and where.location in _ELSEWHERE


def _shown(name: str, value: object, secret: bool) -> str:
    text = ' '.join(str(value).split())
    line = f'{name} = {text}'
    if not secret and '://' not in text and strutils.mask_password(line) == line:
        return text
    return masking.masked(text) if '://' in text and not secret else _HIDDEN
