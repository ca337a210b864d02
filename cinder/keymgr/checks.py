# SPDX-License-Identifier: Apache-2.0
"""Checks whether the configured key manager can be created; otherwise the first volume that needs a
key would fail."""

import logging
from collections.abc import Iterator

from oslo_config import cfg

from cinder import failures
from cinder.conf import keymgr as options
from cinder.conf.problem import Problem


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Create the key manager, which connects to nothing."""
    if options.GROUP not in conf.list_all_sections():
        return
    # Imported here: castellan takes a while to import, and few deployments use keys.
    from cinder.keymgr import keys
    # castellan would log a warning about an unknown name before the log is set up.
    warnings, level = logging.getLogger('castellan'), logging.getLogger('castellan').level
    warnings.setLevel(logging.CRITICAL)
    try:
        if keys.is_fixed() and not keys.is_set_up():
            return
        keys.manager()
        keys.service_credentials()
    except Exception as exc:  # a key manager may raise any error
        yield Problem(f'[{options.GROUP}] backend = {keys.backend()} cannot be used: '
                      f'{failures.one_line(exc)}')
    finally:
        warnings.setLevel(level)
