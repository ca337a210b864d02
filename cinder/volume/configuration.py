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
        self.append_config_values([*backend.OPTS, *volume_opts])

    def append_config_values(self, volume_opts: Sequence[cfg.Opt]) -> None:
        """Register further options."""
        for group in filter(None, (self.config_group, backend.GROUP)):
            self._conf.register_opts(volume_opts, group=group)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        group = self.config_group
        if group:
            location = self._conf.get_location(name, group)
            if location is not None and location.location not in _UNSET:
                return self._conf[group][name]
        return self._conf[backend.GROUP][name]

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
