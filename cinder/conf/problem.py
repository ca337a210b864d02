# SPDX-License-Identifier: Apache-2.0
"""What a check of the configuration finds. Holds no check; those are where the knowledge is."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from oslo_config import cfg


class Problem(NamedTuple):
    """One fault of the configuration.

    :param text: one line: the option as `[section] name`, its value if that is no secret, what is
        wrong with it, what is expected
    :param fatal: whether a daemon refuses to start; a warning otherwise
    :param grave: whether such a warning is logged as an error
    """

    text: str
    fatal: bool = True
    grave: bool = False


# A check reads options and, at most, local files; it neither changes nor waits for anything.
Check = Callable[[cfg.ConfigOpts], Iterator[Problem]]
