# SPDX-License-Identifier: Apache-2.0
"""Checks of the options of backups."""
from collections.abc import Iterator

from oslo_config import cfg

from cinder.conf.problem import Problem


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Report that backups are not read from copies."""
    if not conf.backup_use_temp_snapshot:
        yield Problem('[DEFAULT] backup_use_temp_snapshot = false has no effect: backups are read '
                      'from temporary snapshots, never from copies of volumes. Remove the option.',
                      fatal=False)
