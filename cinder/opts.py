# SPDX-License-Identifier: Apache-2.0
"""What oslo-config-generator asks for: every option of this package by group.
Options of the libraries come from the libraries' own entry points."""

from oslo_config import cfg

from cinder.conf import options


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The groups and options to put in a sample file, as oslo.config expects them."""
    return list(options.BY_GROUP.items())
