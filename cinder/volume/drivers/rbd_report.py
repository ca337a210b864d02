# SPDX-License-Identifier: Apache-2.0
"""The report of a pool of Ceph for the scheduler, from one command to the monitor, however many
images the pool has."""
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from cinder.brick.ceph import calls, errors
from cinder.brick.ceph.pool import Pool
from cinder.volume.driver_types import PoolReport
from cinder.volume.drivers.exported import hundredths, over_subscription

if TYPE_CHECKING:
    from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)


def pool_report(pool: Pool, config: Configuration, name: str) -> PoolReport:
    """Return the report.

    :param name: name of the pool for the scheduler
    """
    total, free, used = capacity(pool.monitor('df', detail='detail'), (pool.data, pool.name),
                                 config.report_dynamic_total_capacity)
    return {
        'pool_name': name,
        'total_capacity_gb': hundredths(total),
        'free_capacity_gb': hundredths(free),
        'reserved_percentage': config.reserved_percentage,
        'max_over_subscription_ratio': over_subscription(
            config.max_over_subscription_ratio, 0, used),
        'thin_provisioning_support': True,
        'thick_provisioning_support': False,
        'multiattach': True,
        'QoS_support': True,
        'online_extend_support': True,
        'filter_function': config.filter_function,
        'goodness_function': config.goodness_function,
        'backend_state': 'up',
    }


def capacity(df: dict[str, Any], names: tuple[str, ...], dynamic: bool) -> tuple[int, int, int]:
    """Return the total, free and used bytes of pools.

    :param df: answer of the monitor to `df detail`
    :param names: pools that have data of images, first the one for that of new ones
    :param dynamic: the total is what is used and what is free; otherwise the quota of the pool or
        the size of the cluster
    :raises NotFound: the manager of the cluster has not counted the pool yet
    """
    stats = {pool['name']: pool['stats'] for pool in df['pools']}
    missing = [name for name in names if name not in stats]
    if missing:
        raise errors.NotFound(f'the cluster has no figures of pool {missing[0]}: it is new, or no '
                              'manager (ceph-mgr) has run since it was created')
    found = stats[names[0]]
    used, quota = sum(int(stats[name]['stored']) for name in set(names)), int(found['quota_bytes'])
    free = int(found['max_avail'])
    if quota:
        free = max(0, min(free, quota - int(found['stored'])))
    if dynamic:
        return used + free, free, used
    return quota or int(df['stats']['total_bytes']), free, used


def touch(pool: Pool) -> None:
    """Read a few bytes of the pool, to see whether it answers."""
    calls.make('Ioctx.stat', pool.ioctx.stat, 'rbd_info')


class Provisioned:
    """The sizes of all images of a pool together. librbd opens each of them, so the sum of a large
    pool is that of a count which has ended since, and never waited for.

    :param run: RBDDriver.run
    """

    # Seconds that a report waits for the count.
    PATIENCE = 1.0

    def __init__(self, run: Callable[..., dict[str, int]]) -> None:
        self._run = run
        self._counting: threading.Thread | None = None
        self._found: PoolReport = {}

    def look(self) -> PoolReport:
        """Return the keys for the report, none until the first count has ended."""
        if self._counting is None or not self._counting.is_alive():
            self._counting = threading.Thread(target=self._count, daemon=True)
            self._counting.start()
        self._counting.join(self.PATIENCE)
        return self._found

    def _count(self) -> None:
        try:
            found = self._run(lambda pool: pool.rbd('pool_stats_get'))
        except errors.CephError as exc:
            LOG.warning('The sizes of the images could not be counted: %s', exc)
            return
        self._found = {'total_volumes': found['image_count'],
                       'provisioned_capacity_gb': hundredths(found['image_provisioned_bytes'],
                                                             up=True)}
