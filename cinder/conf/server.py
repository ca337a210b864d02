# SPDX-License-Identifier: Apache-2.0
"""Registers the options of the WSGI server of oslo.service and keeps them free of warnings."""

from oslo_config import cfg
from oslo_service import _options


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options of the server and of its section [ssl] in `conf`."""
    # oslo.service plans to remove these options with its WSGI server. They are kept here, so a
    # deprecation warning for each of them would be wrong.
    for option in (*_options.wsgi_opts, *_options.ssl_opts):
        option.deprecated_for_removal = False
    conf.register_opts(_options.wsgi_opts)
    conf.register_opts(_options.ssl_opts, 'ssl')
