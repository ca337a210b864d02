# SPDX-License-Identifier: Apache-2.0
"""Checks of the options of backups: the driver can be loaded and accepts its options, and no option
asks for what is not done."""
from collections.abc import Iterator

from oslo_config import cfg

from cinder import exception, failures
from cinder.backup import driver
from cinder.conf.problem import Problem


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Report that backups are not read from copies."""
    if not conf.backup_use_temp_snapshot:
        yield Problem('[DEFAULT] backup_use_temp_snapshot = false has no effect: backups are read '
                      'from temporary snapshots, never from copies of volumes. Remove the option.',
                      fatal=False)


def check_driver(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the driver of the store, without asking the store."""
    try:
        found = driver.load(conf)
    except exception.InvalidConfigurationValue as exc:
        yield Problem(f'[DEFAULT] {failures.one_line(exc)}')
        return
    yield from found.problems()
