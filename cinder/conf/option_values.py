# SPDX-License-Identifier: Apache-2.0
"""Checks the values of all options, ours and those of libraries, against their declared types, and
resolves the references ($option) in them. Other checks compare values with each other."""

import math
import re
from collections.abc import Iterator

from oslo_config import cfg, types

from cinder import masking
from cinder.conf import config_files, options, original_options
from cinder.conf.known_options import Known
from cinder.conf.library import DEFAULT, Option, section_key
from cinder.conf.problem import Problem

# The syntax of oslo.config: $name, ${name}, ${section.name}; two dollar signs mean one.
_DOLLAR = re.compile(r'\$(?:(?P<escaped>\$)|(?P<named>[_a-z][._a-z0-9]*)'
                     r'|\{(?P<braced>[_a-z][._a-z0-9]*)\})', re.IGNORECASE)
# The kernel, timers and columns accept no more; options with larger values have their own limit.
LARGEST = 2**31 - 1
_SHOWN = 60
_LIMIT = re.compile('Should be (less|greater) than or equal to')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """:raises cfg.Error, OSError: a file can no longer be read."""
    complaints = list(check_files(conf))
    yield from complaints or _unreadable(conf)


def check_files(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the current content of the files, also before they are read again.

    :raises cfg.Error, OSError: a file cannot be read
    """
    values = Values(conf)
    refused = values.refused()
    for setting in values.settings:
        if setting in refused:
            yield Problem(f'{refused[setting]} Back end [{setting.section}] does not start.',
                          fatal=False, grave=True)
        else:
            yield from map(Problem, values.faults(setting))


def refused_backends(conf: cfg.ConfigOpts) -> dict[str, str]:
    """Return the back ends with values that only the original accepts, and what is wrong. The other
    back ends start; the options of these must not be registered, because reading them fails."""
    return {setting.section: text for setting, text in Values(conf).refused().items()}


def _unreadable(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Report invalid values of the command line and the environment; oslo.config checks a value
    only when it is read."""
    for group, opts in options.BY_GROUP.items():
        section = conf if group == DEFAULT else conf[group]
        for opt in opts:
            try:
                getattr(section, opt.dest)
            except (cfg.Error, ValueError, RecursionError) as exc:
                yield Problem(f'[{group}] {opt.dest} cannot be read: {exc.__context__ or exc}')


class _Unresolved(Exception):
    """A reference cannot be resolved; the text says what to write."""


class Values:
    """The settings in the files of a configuration, and their effective values."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self.settings = [setting for setting in config_files.settings(conf)
                         if setting.value.strip()]
        self.known = Known(conf, self.settings)
        self._last = {(section_key(setting.section), setting.name): setting
                      for setting in self.settings}

    def faults(self, setting: config_files.Setting) -> Iterator[str]:
        """Return what is wrong with one setting. An unknown option, a setting that a later one
        overrides, and one of a disabled back end have no faults."""
        option = self.known.find(setting.section, setting.name)
        if not option or not self.known.is_read(setting.section) or not (
                option.multi or self._is_last(setting)):
            return
        try:
            _convert(option, self.expand(setting.value, setting.section, (setting,)))
        except _Unresolved as exc:
            yield f'{setting.option} ({setting.place}) {exc}.'
        except (ValueError, TypeError, OverflowError) as exc:
            value = '' if option.secret else f' = {shorten_value(setting.value)}'
            reason = 'the value is not valid' if option.secret else _reason(exc, option)
            yield f'{setting.option}{value} ({setting.place}): {reason}.'

    def refused(self) -> dict[config_files.Setting, str]:
        """Return the settings of back ends with values that only the original accepts, and what is
        wrong with each."""
        found = {}
        for setting in self.settings:
            instead = original_options.advice(setting)
            if instead and not self.known.is_fixed(setting.section):
                found.update((setting, f'{text} The original has this value; here, set {instead}.')
                             for text in self.faults(setting))
        return found

    def effective(self) -> list[config_files.Setting]:
        """Return the effective settings: the last of each option, or all if it is multi-valued."""
        return [setting for setting in self.settings if self._is_last(setting) or getattr(
            self.known.find(setting.section, setting.name), 'multi', False)]

    def text(self, setting: config_files.Setting) -> str:
        """Return the value of a setting with its references resolved, if they can be."""
        try:
            return self.expand(setting.value, setting.section, (setting,))
        except _Unresolved:
            return setting.value

    def _is_last(self, setting: config_files.Setting) -> bool:
        return self._last[section_key(setting.section), setting.name] is setting

    def expand(self, value: str, section: str, via: tuple[config_files.Setting, ...] = ()) -> str:
        """Resolve all references in a value.

        :param via: the settings that refer to the value
        :raises _Unresolved: a reference cannot be resolved
        """
        return _DOLLAR.sub(lambda found: self._resolve(found, section, via),
                           value.replace(r'\$', '$$'))

    def _resolve(self, found: re.Match, section: str, via: tuple[config_files.Setting, ...]) -> str:
        if found['escaped']:
            return '$'
        group, _dot, name = (found['named'] or found['braced']).rpartition('.')
        for where in ((group,) if group else (section, DEFAULT)):
            setting = self._last.get((section_key(where), name))
            if setting and self.known.find_quickly(where, name):
                if setting in via:
                    raise _Unresolved('refers to itself')
                return self.expand(setting.value, where, (*via, setting))
            option = self.known.find_quickly(where, name)
            if option:
                default = option.default
                return (self.expand(default, where, via) if isinstance(default, str)
                        else '' if default is None else str(default))
        option = via and self.known.find(via[0].section, via[0].name)
        what = 'a dollar sign' if option and option.secret else f'{found[0]},'
        raise _Unresolved(f'contains {what} that refers to no option; for a literal dollar sign, '
                          f'write $$')


def _convert(option: Option, text: str) -> object:
    value = option.type(text)
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, float) and not math.isfinite(each):
            raise ValueError('expected a finite number')
        if isinstance(each, int) and abs(each) > LARGEST and not _has_limit(option.type, each):
            raise ValueError(f'expected at most {LARGEST}')
    return value


def _has_limit(kind: object, value: int) -> bool:
    return isinstance(kind, types.Number) and (kind.max if value > 0 else kind.min) is not None


def _reason(exc: Exception, option: Option) -> str:
    text = ' '.join(str(exc).split())
    if text.startswith('invalid literal for int'):
        item = getattr(option.type, 'item_type', None)
        return f'each item must be a {item.type_name}' if item else 'expected an integer'
    if text.startswith('could not convert string to float'):
        return 'expected a number'
    limit = _LIMIT.match(text)
    if limit and isinstance(option.type, types.Number):
        # oslo.config rounds it to six digits.
        return f'{limit[0]} {option.type.max if limit[1] == "less" else option.type.min}'
    return text.rstrip('.')


def shorten_value(value: str) -> str:
    """Return a value for a message: one line, shortened, without the password of a URL."""
    text = masking.masked(' '.join(value.split()))
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'
