# SPDX-License-Identifier: Apache-2.0
"""The result of a configuration check. The checks are in the packages that they are about."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from oslo_config import cfg


class Problem(NamedTuple):
    """One fault of the configuration.

    :param text: one line: the option as `[section] name`, its value if it is not secret, what is
        wrong, what is expected
    :param fatal: whether the daemon does not start; otherwise it logs a warning
    :param grave: whether such a warning is logged as an error
    """

    text: str
    fatal: bool = True
    grave: bool = False


# A check only reads options and local files; it changes nothing and does not wait.
Check = Callable[[cfg.ConfigOpts], Iterator[Problem]]
