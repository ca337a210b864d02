# SPDX-License-Identifier: Apache-2.0
"""Keeps a thin pool from running full: looks at each report of the group, extends the pool at the
soft limit, and says why nothing new is taken at the hard limit or when the pool is broken."""
import dataclasses
import logging
from collections.abc import Callable

from cinder.brick.local_dev import reports
from cinder.i18n import _

LOG = logging.getLogger(__name__)

# Growth is in whole extents, and metadata have a spare copy of the same size in the group.
_COPIES = {'data': 1, 'metadata': 2}
_EXTEND = {'data': '-L', 'metadata': '--poolmetadatasize'}
# lv_health_status of a thin pool, see lvs(8): what it means and what helps.
_BROKEN = {
    'failed': (_('it has failed'), 'look at the kernel log and the physical volumes, then'),
    'metadata_read_only': (_('its metadata are read-only'), 'give the metadata room with '
                           '"lvextend --poolmetadatasize +1g {pool}", then'),
}
_NEEDS_CHECK = (_('its metadata need a check'), 'first of all')
_REPAIR = ('stop what uses the pool, "lvchange -an {pool}", "lvconvert --repair {pool}" (it runs '
           'thin_check and thin_repair), "lvchange -ay {pool}"')
_OUT_OF_DATA = _('it is out of data space')


@dataclasses.dataclass(frozen=True)
class Limits:
    """In percent. At `soft` a pool is extended by `growth` of its size (0: never), at `hard` it
    takes nothing new; either holds for data and for metadata."""

    soft: int = 80
    hard: int = 95
    growth: int = 0


class PoolGuard:
    """:param extend: (option of lvextend, bytes), grows the pool by so much
    :param pool: 'group/pool', for messages
    :ivar refusal: why the pool takes nothing new, in words for a tenant; empty while it does
    :ivar broken: whether it needs an operator, not only room
    """

    def __init__(self, pool: str, limits: Limits, extend: Callable[[str, int], None]) -> None:
        self._pool, self._limits, self._extend = pool, limits, extend
        self.refusal, self.broken = '', False
        self._told = ''

    def heal(self, group: reports.Group, pool: reports.LogicalVolume) -> bool:
        """Extend what is above the soft limit, as far as the group has room; whether it did."""
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
        LOG.warning('The %s of thin pool %s were %.1f %% full and got %d MiB more.', part,
                    self._pool, percent, step // 1024 ** 2)
        return True

    def judge(self, pool: reports.LogicalVolume) -> None:
        """Decide what the pool takes; what has changed is logged, once."""
        fills = (('data', pool.data_percent), ('metadata', pool.metadata_percent))
        trouble = _trouble(pool)
        full = [_('its %(part)s are %(percent).1f %% full, the limit is %(limit)d %%')
                % {'part': part, 'percent': percent, 'limit': self._limits.hard}
                for part, percent in fills if percent >= self._limits.hard]
        if pool.health == 'out_of_data':
            full = [_OUT_OF_DATA]
        near = [part for part, percent in fills if percent >= self._limits.soft]
        self.broken = trouble is not None
        self.refusal = trouble[0] if trouble else '; '.join(full)
        if trouble:
            self._tell(logging.ERROR, f'takes nothing new: {trouble[0]}. What to do: '
                       + f'{trouble[1]} {_REPAIR}'.format(pool=self._pool), trouble[0])
        elif full:
            self._tell(logging.ERROR, f'takes nothing new: {self.refusal}. What to do: "vgextend" '
                       f'if the group is full, then "lvextend -L +SIZE {self._pool}" for data, '
                       f'"lvextend --poolmetadatasize +SIZE {self._pool}" for metadata', 'full')
        elif near:
            self._tell(logging.WARNING,
                       f'is getting full: data {pool.data_percent:.1f} %, metadata '
                       f'{pool.metadata_percent:.1f} %', ' and '.join(near))
        elif self._told:
            self._tell(logging.INFO, 'has room again', '')

    def _tell(self, level: int, text: str, state: str) -> None:
        if state != self._told:
            LOG.log(level, 'Thin pool %s %s.', self._pool, text)
        self._told = state


def _trouble(pool: reports.LogicalVolume) -> tuple[str, str] | None:
    """What is broken, and what to do before the repair."""
    return _NEEDS_CHECK if pool.needs_check else _BROKEN.get(pool.health)
