# SPDX-License-Identifier: Apache-2.0
"""Monitors a thin pool: checks each report of the group, extends the pool at the soft limit, and
gives the reason why new volumes are refused at the hard limit or when the pool is damaged."""
import dataclasses
import logging
from collections.abc import Callable

from cinder.brick.local_dev import reports
from cinder.i18n import _

LOG = logging.getLogger(__name__)

# A pool grows by whole extents; the metadata has a spare copy of the same size in the group.
_COPIES = {'data': 1, 'metadata': 2}
_EXTEND = {'data': '-L', 'metadata': '--poolmetadatasize'}
# lv_health_status of a thin pool, see lvs(8): meaning, and what to do first.
_BROKEN = {
    'failed': (_('it has failed'), 'look at the kernel log and the physical volumes, then'),
    'metadata_read_only': (_('its metadata is read-only'), 'extend the metadata with '
                           '"lvextend --poolmetadatasize +1g {pool}", then'),
}
_NEEDS_CHECK = (_('its metadata must be checked'), 'first')
_REPAIR = ('stop all users of the pool, then run "lvchange -an {pool}", "lvconvert --repair '
           '{pool}" (it runs '
           'thin_check and thin_repair), "lvchange -ay {pool}"')
_OUT_OF_DATA = _('it has no free data space')


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits in percent, for data and for metadata. At `soft` a pool is extended by `growth`
    percent of its size (0: never), at `hard` it accepts no new volumes."""

    soft: int = 80
    hard: int = 95
    growth: int = 0


class ThinPoolMonitor:
    """Monitor of one pool.

    :param extend: function (option of lvextend, bytes) that extends the pool
    :param pool: 'group/pool', for messages
    :ivar refusal: reason, in words for a tenant, why the pool accepts no new volumes; empty if it
        does
    :ivar broken: whether an operator must repair it; more space is not enough
    """

    def __init__(self, pool: str, limits: Limits, extend: Callable[[str, int], None]) -> None:
        self._pool, self._limits, self._extend = pool, limits, extend
        self.refusal, self.broken = '', False
        self._logged_state = ''

    def extend_if_needed(self, group: reports.Group, pool: reports.LogicalVolume) -> bool:
        """Extend data or metadata above the soft limit, if the group has free space; return whether
        it did."""
        if not self._limits.growth or _trouble(pool):
            return False
        done, free = False, group.free
        for part, percent, size in (('metadata', pool.metadata_percent, pool.metadata_size),
                                    ('data', pool.data_percent, pool.size)):
            room = free // _COPIES[part]
            step = min(-(-size * self._limits.growth // 100 // group.extent), room // group.extent)
            if percent < self._limits.soft or not step:
                continue
            done |= self._grow(part, percent, step * group.extent)
            free -= step * group.extent * _COPIES[part]
        return done

    def _grow(self, part: str, percent: float, step: int) -> bool:
        try:
            self._extend(_EXTEND[part], step)
        except reports.LVMError as exc:
            LOG.error('Thin pool %s could not be extended: %s', self._pool, exc)
            return False
        LOG.warning('The %s of thin pool %s was %.1f %% full and was extended by %d MiB.', part,
                    self._pool, percent, step // 1024 ** 2)
        return True

    def check(self, pool: reports.LogicalVolume) -> None:
        """Update `refusal` and `broken`; each change is logged once."""
        fills = (('data', pool.data_percent), ('metadata', pool.metadata_percent))
        trouble = _trouble(pool)
        full = [_('its %(part)s is %(percent).1f %% full; the limit is %(limit)d %%')
                % {'part': part, 'percent': percent, 'limit': self._limits.hard}
                for part, percent in fills if percent >= self._limits.hard]
        if pool.health == 'out_of_data':
            full = [_OUT_OF_DATA]
        near = [part for part, percent in fills if percent >= self._limits.soft]
        self.broken = trouble is not None
        self.refusal = trouble[0] if trouble else '; '.join(full)
        if trouble:
            self._tell(logging.ERROR, f'accepts no new volumes: {trouble[0]}. Action: '
                       + f'{trouble[1]} {_REPAIR}'.format(pool=self._pool), trouble[0])
        elif full:
            self._tell(logging.ERROR, f'accepts no new volumes: {self.refusal}. Action: "vgextend" '
                       f'if the group is full, then "lvextend -L +SIZE {self._pool}" for data, '
                       f'"lvextend --poolmetadatasize +SIZE {self._pool}" for metadata', 'full')
        elif near:
            self._tell(logging.WARNING,
                       f'is getting full: data {pool.data_percent:.1f} %, metadata '
                       f'{pool.metadata_percent:.1f} %', ' and '.join(near))
        elif self._logged_state:
            self._tell(logging.INFO, 'has enough free space again', '')

    def _tell(self, level: int, text: str, state: str) -> None:
        if state != self._logged_state:
            LOG.log(level, 'Thin pool %s %s.', self._pool, text)
        self._logged_state = state


def _trouble(pool: reports.LogicalVolume) -> tuple[str, str] | None:
    """Return what is damaged, and what to do before the repair."""
    return _NEEDS_CHECK if pool.needs_check else _BROKEN.get(pool.health)
