# SPDX-License-Identifier: Apache-2.0
"""Which options there are: ours, those of the libraries, and those that a driver registered."""

from collections.abc import Iterable, Sequence

from oslo_config import cfg

from cinder.conf import backend, config_files, library, options
from cinder.conf.library import DEFAULT, Option, normal

_OURS: dict[str, dict[str, Option]] = {
    group: {
        **{old.name: library.of(opt, f'[{group}] {opt.dest}')
           for opt in opts for old in opt.deprecated_opts if old.name},
        **{opt.dest: library.of(opt) for opt in opts}}
    for group, opts in options.BY_GROUP.items()}


class Known:
    """What is known for one configuration.

    :param settings: of its files, which say where credentials are and what may be a back end
    """

    def __init__(self, conf: cfg.ConfigOpts, settings: Sequence[config_files.Setting]) -> None:
        self._conf = conf
        self._fixed = {*_OURS, *library.sections()}
        self._spellings: dict[str, set[str]] = {}
        for setting in settings:
            self._spellings.setdefault(normal(setting.section), set()).add(setting.section)
        self._credentials = {normal(setting.value) for setting in settings
                             if setting.name == 'auth_section'}
        self._enabled = {normal(name) for name in enabled(settings)}
        self._backends = self._enabled | {normal(setting.section) for setting in settings
                                          if setting.name in _OURS[backend.GROUP]}

    def find(self, section: str, name: str) -> Option | None:
        """The option of that exact name, or None."""
        return self.find_quickly(section, name) or library.find_newer(normal(section), name)

    def find_quickly(self, section: str, name: str) -> Option | None:
        """The same without asking libraries, which may have more options than the table."""
        section = normal(section)
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
        """Whether anything reads the section, or it may describe a back end."""
        section = normal(section)
        return (section in self._fixed or section in self._credentials or section in self._backends
                or bool(self._registered(section)))

    def is_read(self, section: str) -> bool:
        """Whether anything reads the section now: not if it describes a back end that is off."""
        section = normal(section)
        return section in self._fixed | self._credentials | self._enabled or bool(
            self._registered(section))

    def is_fixed(self, section: str) -> bool:
        """Whether the section is one of ours or of a library, so no back end."""
        return normal(section) in self._fixed

    def names(self, section: str) -> list[str]:
        """The names that may stand in a section, without old ones."""
        section = normal(section)
        ours = _OURS.get(section, {} if section in self._fixed else _OURS[backend.GROUP])
        return [*(name for name, option in ours.items() if not option.now),
                *library.names(section), *self._registered(section)]

    def sections(self) -> list[str]:
        """The names that sections have, but for those of back ends."""
        return sorted(self._fixed)

    def _registered(self, section: str) -> list[str]:
        """The options of a section that somebody else, such as a driver of its own, registered."""
        return [name for group in self._spellings.get(section, (section,))
                if group in self._conf and is_group(self._conf, group)
                for name in self._conf[group]]

    def _is_registered(self, section: str, name: str) -> bool:
        if section == DEFAULT:
            return name in self._conf and not is_group(self._conf, name)
        return name in self._registered(section)


def is_group(conf: cfg.ConfigOpts, name: str) -> bool:
    """Whether something registered is a section; an option of [DEFAULT] otherwise."""
    try:
        return isinstance(conf[name], cfg.ConfigOpts.GroupAttr)
    except (cfg.Error, ValueError):
        return False  # an option whose value is wrong


def enabled(settings: Iterable[config_files.Setting]) -> list[str]:
    """The names in enabled_backends as the files have them, as far as they can be told."""
    found: list[str] = []
    for setting in settings:
        if (setting.section, setting.name) == (DEFAULT, 'enabled_backends') and setting.value:
            found = [name.strip() for name in setting.value.split(',') if name.strip()]
    return found
