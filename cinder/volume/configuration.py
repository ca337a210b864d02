# SPDX-License-Identifier: Apache-2.0
"""The options of one back end. A value comes from the section of the back end, else from
[backend_defaults], else from the default. cinder.conf declares the options."""
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from cinder.conf import CONF, backend

_UNSET = (cfg.Locations.opt_default, cfg.Locations.set_default)


class Configuration:
    """The options of a back end as read-only attributes.

    :param volume_opts: options in addition to those that every back end has
    :param config_group: section of the back end; None: [backend_defaults] alone
    :param conf: the configuration that has the values
    """

    def __init__(self, volume_opts: Sequence[cfg.Opt] = (), config_group: str | None = None,
                 conf: cfg.ConfigOpts = CONF) -> None:
        self.config_group = config_group
        self._conf = conf
        # Each registration, also of known options, clears the cache of values of oslo.config.
        if not all(self._has_options(group) for group in self._groups()):
            self.append_config_values(backend.OPTS)
        if volume_opts:
            self.append_config_values(volume_opts)

    def append_config_values(self, volume_opts: Sequence[cfg.Opt]) -> None:
        """Register further options."""
        for group in self._groups():
            self._conf.register_opts(volume_opts, group=group)

    def _groups(self) -> list[str]:
        return [group for group in (self.config_group, backend.GROUP) if group]

    def _has_options(self, group: str) -> bool:
        try:
            present = self._conf[group]
        except cfg.NoSuchOptError:
            return False
        return all(option.dest in present for option in backend.OPTS)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        common = self._conf[backend.GROUP][name]
        group = self.config_group
        if group:
            own = self._conf[group][name]
            # Where it was set is looked up each time, while values are cached.
            if own != common:
                location = self._conf.get_location(name, group)
                if location is not None and location.location not in _UNSET:
                    return own
        return common

    def get(self, name: str) -> Any:
        """Return the value of an option.

        :raises NoSuchOptError: no option has that name
        """
        return getattr(self, name)

    def safe_get(self, name: str) -> Any:
        """Return the value of an option, or None when no option has that name."""
        try:
            return getattr(self, name)
        except cfg.NoSuchOptError:
            return None
