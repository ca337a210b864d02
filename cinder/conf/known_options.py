# SPDX-License-Identifier: Apache-2.0
"""Finds options by name: our own, those of libraries, and those that drivers registered."""

from collections.abc import Iterable, Sequence

from oslo_config import cfg

from cinder.conf import backend, config_files, library, options
from cinder.conf.library import DEFAULT, Option, section_key

_OURS: dict[str, dict[str, Option]] = {
    group: {
        **{old.name: library.from_opt(opt, f'[{group}] {opt.dest}')
           for opt in opts for old in opt.deprecated_opts if old.name},
        **{opt.dest: library.from_opt(opt) for opt in opts}}
    for group, opts in options.BY_GROUP.items()}


class Known:
    """The options that are known for one configuration.

    :param settings: settings of its files, for the sections of credentials and back ends
    """

    def __init__(self, conf: cfg.ConfigOpts, settings: Sequence[config_files.Setting]) -> None:
        self._conf = conf
        self._fixed = {*_OURS, *library.sections()}
        self._spellings: dict[str, set[str]] = {}
        for setting in settings:
            self._spellings.setdefault(section_key(setting.section), set()).add(setting.section)
        self._credentials = {section_key(setting.value) for setting in settings
                             if setting.name == 'auth_section'}
        self._enabled = {section_key(name) for name in enabled(settings)}
        self._backends = self._enabled | {section_key(setting.section) for setting in settings
                                          if setting.name in _OURS[backend.GROUP]}

    def find(self, section: str, name: str) -> Option | None:
        """Return the option with exactly this name, or None."""
        return self.find_quickly(section, name) or library.find_newer(section_key(section), name)

    def find_quickly(self, section: str, name: str) -> Option | None:
        """Return the same, without importing libraries that are newer than the table."""
        section = section_key(section)
        return (_OURS.get(section, {}).get(name) or library.find(section, name)
                or self._elsewhere(section, name))

    def _elsewhere(self, section: str, name: str) -> Option | None:
        found = None
        if section in self._credentials:
            found = library.find_credential(name)
        if not found and section not in self._fixed:
            found = _OURS[backend.GROUP].get(name)
        if not found and self._is_registered(section, name):
            found = Option(str)
        return found

    def has_section(self, section: str) -> bool:
        """Return whether the section is read, or may describe a back end."""
        section = section_key(section)
        return (section in self._fixed or section in self._credentials or section in self._backends
                or bool(self._registered(section)))

    def is_read(self, section: str) -> bool:
        """Return whether the section is read now; that of a disabled back end is not."""
        section = section_key(section)
        return section in self._fixed | self._credentials | self._enabled or bool(
            self._registered(section))

    def is_fixed(self, section: str) -> bool:
        """Return whether the section is one of ours or of a library, so not of a back end."""
        return section_key(section) in self._fixed

    def names(self, section: str) -> list[str]:
        """Return the option names that a section can have, without deprecated ones."""
        section = section_key(section)
        ours = _OURS.get(section, {} if section in self._fixed else _OURS[backend.GROUP])
        return [*(name for name, option in ours.items() if not option.now),
                *library.names(section), *self._registered(section)]

    def sections(self) -> list[str]:
        """Return the names of known sections, except those of back ends."""
        return sorted(self._fixed)

    def _registered(self, section: str) -> list[str]:
        """Return the options of a section that other code, such as a driver, registered."""
        return [name for group in self._spellings.get(section, (section,))
                if group in self._conf and is_group(self._conf, group)
                for name in self._conf[group]]

    def _is_registered(self, section: str, name: str) -> bool:
        if section == DEFAULT:
            return name in self._conf and not is_group(self._conf, name)
        return name in self._registered(section)


def is_group(conf: cfg.ConfigOpts, name: str) -> bool:
    """Return whether a registered name is a section; otherwise it is an option of [DEFAULT]."""
    try:
        return isinstance(conf[name], cfg.ConfigOpts.GroupAttr)
    except (cfg.Error, ValueError):
        return False  # an option with an invalid value


def enabled(settings: Iterable[config_files.Setting]) -> list[str]:
    """Return the names in enabled_backends according to the files."""
    found: list[str] = []
    for setting in settings:
        if (setting.section, setting.name) == (DEFAULT, 'enabled_backends') and setting.value:
            found = [name.strip() for name in setting.value.split(',') if name.strip()]
    return found
