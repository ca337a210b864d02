# SPDX-License-Identifier: Apache-2.0
"""Prepares os-brick for its first use in this process."""
import os

from cinder.conf import CONF


def prepare() -> None:
    """Import os-brick and configure it. The import takes a second and tens of megabytes, which only
    the callers of this function need."""
    import os_brick
    from os_brick import privileged
    os_brick.setup(CONF)
    if os.geteuid() == 0:
        # As in cinder.privsep.
        for context in (privileged.default, privileged.brick_privsep_hide_output):
            context.set_client_mode(False)
