# SPDX-License-Identifier: Apache-2.0
"""Registers the options of oslo.service's WSGI server, which are ours to keep."""

from oslo_config import cfg
from oslo_service import _options


def register(conf: cfg.ConfigOpts) -> None:
    """Give `conf` the options of the server and its section [ssl]."""
    # oslo.service means to drop these with its WSGI server; here they stay, so that a warning
    # for each one that is set would only mislead.
    for option in (*_options.wsgi_opts, *_options.ssl_opts):
        option.deprecated_for_removal = False
    conf.register_opts(_options.wsgi_opts)
    conf.register_opts(_options.ssl_opts, 'ssl')
