# SPDX-License-Identifier: Apache-2.0
"""Checks the syntax of the files: options without a value, set twice, or joined to the previous
line by indentation. option_values.py checks the values."""

import re
from collections.abc import Iterator

from oslo_config import cfg, types

from cinder.conf import config_files
from cinder.conf.known_options import Known
from cinder.conf.library import section_key
from cinder.conf.problem import Problem

_ASSIGNMENT = re.compile(r'([A-Za-z_][A-Za-z0-9_-]*)\s*[=:]')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """:raises cfg.Error: a file can no longer be read."""
    settings = config_files.settings(conf)
    known = Known(conf, settings)
    for setting in settings:
        yield from _check_indentation(setting, known)
    yield from _check_empty(settings)
    yield from _check_duplicates(settings, known)


def _check_indentation(setting: config_files.Setting, known: Known) -> Iterator[Problem]:
    """Report an indented option: a line that begins with a blank continues the value of the
    previous line."""
    for number, line in enumerate(setting.value.split('\n')[1:], setting.line + 1):
        found = _ASSIGNMENT.match(line)
        if found and known.find_quickly(setting.section, found[1]):
            yield Problem(f'{setting.path}:{number} sets {found[1]} but begins with a blank, so it '
                          f'is a part of {setting.option}: remove the leading blanks.')


def _check_empty(settings: list[config_files.Setting]) -> Iterator[Problem]:
    found: dict[str, list[str]] = {}
    for setting in settings:
        if not setting.value.strip():
            found.setdefault(setting.section, []).append(setting.name)
    if found:
        yield Problem('Options without a value are treated as not set: ' + '; '.join(
            f'[{section}] {", ".join(dict.fromkeys(names))}'
            for section, names in found.items()) + '.', fatal=False)


def _check_duplicates(settings: list[config_files.Setting], known: Known) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], config_files.Setting] = {}
    for setting in settings:
        if not setting.value:
            continue
        key = setting.path, section_key(setting.section), setting.name
        before = first.setdefault(key, setting)
        if before.value == setting.value:
            continue
        option = known.find(setting.section, setting.name)
        if option and not option.multi and not isinstance(option.type, types.MultiString):
            yield Problem(f'{setting.option} is set in line {before.line} of {setting.path} and '
                          f'again in line {setting.line}: the last value is used.', fatal=False)
