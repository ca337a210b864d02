# SPDX-License-Identifier: Apache-2.0
"""Whether the key manager can be made, where the configuration says something about it: the first
volume that needs a key would find that out otherwise."""

import logging
from collections.abc import Iterator

from oslo_config import cfg

from cinder import failures
from cinder.conf import keymgr as options
from cinder.conf.problem import Problem


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Make it, which connects to nothing."""
    if options.GROUP not in conf.list_all_sections():
        return
    # castellan takes a while, and few installations have keys.
    from cinder.keymgr import keys
    # It would warn beside our line, before there is a log, of a name that is none.
    warnings, level = logging.getLogger('castellan'), logging.getLogger('castellan').level
    warnings.setLevel(logging.CRITICAL)
    try:
        if keys.is_fixed() and not keys.is_set_up():
            return
        keys.manager()
        keys.service_credentials()
    except Exception as exc:  # whatever a manager raises that cannot be made
        yield Problem(f'[{options.GROUP}] backend = {keys.backend()} cannot be used: '
                      f'{failures.one_line(exc)}')
    finally:
        warnings.setLevel(level)
