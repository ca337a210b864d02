# SPDX-License-Identifier: Apache-2.0
"""Computes the capacity that a pool can still provide: reserved, thin and over-subscribed space.

Shared by the capacity filter and the weighers, so that both use the same values. All sizes are GiB.
"""
import math
from collections.abc import Mapping
from typing import NamedTuple

from cinder.objects.types import wants_thick

__all__ = ['wants_thick']  # for filters and weighers

# Words that drivers may report instead of a number.
WORDS = {'infinite': math.inf, 'unknown': None}
# Ratio if neither the pool nor the configuration has a valid one.
DEFAULT_RATIO = 20.0
# A difference that comes from computing with fractions, not from space.
_ROUNDING = 1e-9


def parse_gib(value: object) -> float | None:
    """Convert a reported amount: inf for 'infinite', None for 'unknown' or no number."""
    if isinstance(value, str) and value.strip().lower() in WORDS:
        return WORDS[value.strip().lower()]
    try:
        amount = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(amount) else amount


def is_true(value: object) -> bool:
    """Return whether a reported flag is set; drivers report booleans and strings."""
    return value is True or str(value).strip().lower() in ('true', 'yes', '1', '<is> true')


class Limits(NamedTuple):
    """The most GiB that may have been promised to a pool before another volume is: of all volumes,
    and of thick ones. None is no limit."""

    promised: int | None
    thick: int | None


class Capacity:
    """Capacity of one pool: as last reported, minus what was promised since.

    `total` and `free` are None if unknown. `promised` counts the GiB of all volumes that the report
    does not contain yet, `promised_thick` those of thick ones among them. `room` and `room_thick`
    are the GiB that a new volume, or a thick one, can be given: None if unknown.
    """

    __slots__ = ('_allocated', '_free', '_provisioned', 'counted', 'over_subscription', 'promised',
                 'promised_thick', 'ratio', 'reported', 'reserved', 'reserved_percentage', 'room',
                 'room_thick', 'thin', 'total')

    def __init__(self, total: float | None, free: float | None, allocated: float,
                 provisioned: float, reserved_percentage: float, thin: bool,
                 ratio: float | str) -> None:
        self.total, self.thin, self.ratio = total, thin, ratio
        self._free, self._allocated, self._provisioned = free, allocated, provisioned
        self.reserved_percentage = reserved_percentage
        # GiB that are kept free of new volumes.
        self.reserved: float = (
            0.0 if total is None or math.isinf(total)
            else math.floor(total * reserved_percentage / 100))
        # GiB that may be provisioned for each GiB of the pool.
        self.over_subscription = self._measured_ratio() if ratio == 'auto' else float(ratio)
        self.promised = self.promised_thick = 0
        # Of the GiB that were ever promised to the pool, those that the report contains; None if
        # the report does not tell, so that only the promises of this process are known.
        self.counted: tuple[int, int] | None = None
        # GiB that had ever been promised to the pool when the report was measured.
        self.reported = 0
        self._compute_room()

    @classmethod
    def from_report(cls, report: Mapping, ratio: object = DEFAULT_RATIO,
                    reserved_percentage: float = 0) -> 'Capacity':
        """Create the capacity from a report of a pool.

        :param report: capabilities of the pool, merged with those of its back end.
        :param ratio: over-subscription ratio if the pool reports none.
        :param reserved_percentage: percentage of the total if the pool reports none.
        """
        allocated = parse_gib(report.get('allocated_capacity_gb')) or 0.0
        provisioned = parse_gib(report.get('provisioned_capacity_gb'))
        reserved = parse_gib(report.get('reserved_percentage'))
        return cls(total=parse_gib(report.get('total_capacity_gb')),
                   free=parse_gib(report.get('free_capacity_gb')),
                   allocated=allocated,
                   provisioned=allocated if provisioned is None else provisioned,
                   reserved_percentage=reserved_percentage if reserved is None else reserved,
                   thin=is_true(report.get('thin_provisioning_support')),
                   ratio=_ratio(report.get('max_over_subscription_ratio'), ratio))

    # ------------------------------------------------------------------- the amounts as of now
    @property
    def allocated(self) -> float:
        """GiB of the volumes of this service."""
        return self._allocated + self.promised

    @property
    def provisioned(self) -> float:
        """GiB that all volumes on the storage may come to use."""
        return self._provisioned + self.promised

    @property
    def free(self) -> float | None:
        """Free GiB, minus what was promised to volumes that use their whole size at once."""
        if self._free is None:
            return None
        return self._free - (self.promised_thick if self.thin else self.promised)

    @property
    def physical(self) -> float | None:
        """Free GiB minus the reserved ones; None if unknown."""
        free = self.free
        return None if free is None else free - self.reserved

    def available(self, thick: bool = False) -> float | None:
        """Return the GiB that new volumes can be given; None if unknown.

        A thin pool has two limits: the provisioned space against its total, and new volumes
        against the physical free space, so that a full pool takes no more volumes.

        :param thick: compute it for a thick volume, also if the pool supports thin ones.
        """
        return self.room_thick if thick else self.room

    def amounts(self) -> 'Amounts':
        """Return the amounts that change, as of now, with the capacity that has the others."""
        return self, self.free, self._provisioned + self.promised

    def consume(self, size: int, thick: bool = False) -> None:
        """Subtract a new volume of `size` GiB until the next report; a negative size is added."""
        self.set_promised(self.promised + size, self.promised_thick + (size if thick else 0))

    def set_promised(self, promised: int, thick: int) -> None:
        """Set the GiB that were promised and that the report does not contain.

        :param promised: of all volumes.
        :param thick: of thick ones among them.
        """
        self.promised, self.promised_thick = promised, thick
        self._compute_room()

    @property
    def known(self) -> tuple[int, int]:
        """GiB that were ever promised to the pool, as far as is known: of all volumes, of thick
        ones."""
        counted = self.counted or (0, 0)
        return counted[0] + self.promised, counted[1] + self.promised_thick

    def set_known(self, promised: int, thick: int) -> None:
        """Set how many GiB were ever promised to the pool; the counts never decrease."""
        if self.counted is not None:
            known = self.known
            self.set_promised(max(promised, known[0]) - self.counted[0],
                              max(thick, known[1]) - self.counted[1])

    def most(self, size: int, thick: bool = False) -> tuple[int | None, int | None]:
        """Return the largest counts of the pool with which a volume of `size` GiB still fits."""
        counted = self.counted or (0, 0)
        promised, promised_thick = self.limits(size, thick)
        return (None if promised is None else counted[0] + promised,
                None if promised_thick is None else counted[1] + promised_thick)

    def limits(self, size: int, thick: bool = False) -> Limits:
        """Return how much may have been promised before a volume of `size` GiB still fits; the
        same condition as that `available()` is at least `size`."""
        if self._free is None or math.isinf(self._free):
            return Limits(None, None)
        physical = self._free - self.reserved
        if not self.thin:
            return Limits(_whole(physical - size), None)
        if thick:
            return Limits(None, _whole(physical - size))
        most = self._most_provisioned()
        return Limits(None if most is None or math.isinf(most) else _whole(most - size),
                      _whole(physical - size / self.over_subscription))

    def without_promises(self) -> 'Capacity':
        """Return the capacity as the report has it."""
        return Capacity(self.total, self._free, self._allocated, self._provisioned,
                        self.reserved_percentage, self.thin, self.over_subscription)

    def emptied(self) -> 'Capacity':
        """Return the capacity of the pool without any volume."""
        return Capacity(self.total, self._free if self.total is None else self.total, 0, 0,
                        self.reserved_percentage, self.thin, self.over_subscription)

    def usage(self) -> dict[str, float] | None:
        """Return the amounts of a notification; None if one of them is unknown or infinite.

        `virtual_free` is what may still be provisioned, as the documentation of the original
        defines it: in a thin pool, whatever the physical free space is.
        """
        if self.total is None or self._free is None or math.isinf(self.total + self._free):
            return None
        virtual = self._most_provisioned() if self.thin else self._free - self.reserved
        return {'total': self.total, 'free': self._free, 'allocated': self._allocated,
                'provisioned': self._provisioned, 'virtual_free': virtual or 0.0}

    # --------------------------------------------------------------------------- computing
    def _measured_ratio(self) -> float:
        """Return the ratio 'auto': the provisioned space for each used GiB as reported, plus 1."""
        known = None not in (self.total, self._free) and not math.isinf(self.total + self._free)
        if not known or self._provisioned <= 0:
            return DEFAULT_RATIO
        return 1 + self._provisioned / (max(self.total - self._free, 0.0) + 1)

    def _most_provisioned(self) -> float | None:
        """Return the GiB of thin volumes that the report leaves; None if the total is unknown."""
        if self.total is None:
            return None
        return (self.total - self.reserved) * self.over_subscription - self._provisioned

    def _compute_room(self) -> None:
        physical = self.physical
        self.room = self.room_thick = physical
        if physical is None or not self.thin:
            return
        self.room = physical * self.over_subscription
        most = self._most_provisioned()
        if most is not None:
            self.room = min(self.room, most - self.promised)


def _whole(amount: float) -> int:
    return math.floor(amount + _ROUNDING)


def _ratio(*candidates: object) -> float | str:
    """Return the first valid ratio, which is 'auto' or at least 1, or the default."""
    for value in candidates:
        if str(value).strip().lower() == 'auto':
            return 'auto'
        number = parse_gib(value)
        if number is not None and number >= 1:
            return number
    return DEFAULT_RATIO


# A capacity, its free GiB and its provisioned GiB.
Amounts = tuple[Capacity, float | None, float]
