# SPDX-License-Identifier: Apache-2.0
"""Computes the capacity that a pool can still provide: reserved, thin and over-subscribed space.

Shared by the capacity filter and the weighers, so that both use the same values. All sizes are GiB.
"""
import math
from collections.abc import Mapping
from dataclasses import dataclass

# Words that drivers may report instead of a number.
WORDS = {'infinite': math.inf, 'unknown': None}
# Ratio if neither the pool nor the configuration has a valid one.
DEFAULT_RATIO = 20.0


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


def wants_thick(extra_specs: Mapping[str, str]) -> bool:
    """Return whether a volume type asks for thick provisioning."""
    return (extra_specs.get('provisioning:type') == 'thick'
            or any(is_true(extra_specs.get(scope + 'thick_provisioning_support'))
                   for scope in ('', 'capabilities:')))


@dataclass(slots=True)
class Capacity:
    """Capacity of one pool as last reported, minus the volumes placed since.

    `total` and `free` are None if unknown; `ratio` 'auto' is computed from the use of the pool.
    """

    total: float | None
    free: float | None
    allocated: float
    provisioned: float
    reserved_percentage: float
    thin: bool
    ratio: float | str

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

    @property
    def reserved(self) -> float:
        """GiB that are kept free of new volumes."""
        if self.total is None or math.isinf(self.total):
            return 0.0
        return math.floor(self.total * self.reserved_percentage / 100)

    @property
    def physical(self) -> float | None:
        """Free GiB minus the reserved ones; None if unknown."""
        return None if self.free is None else self.free - self.reserved

    @property
    def over_subscription(self) -> float:
        """GiB that may be provisioned for each GiB of the pool.

        'auto' uses the ratio measured so far, the provisioned space for each used GiB, plus 1.
        """
        if self.ratio != 'auto':
            return self.ratio
        known = None not in (self.total, self.free) and not math.isinf(self.total + self.free)
        if not known or self.provisioned <= 0:
            return DEFAULT_RATIO
        return 1 + self.provisioned / (max(self.total - self.free, 0.0) + 1)

    def available(self, thick: bool = False) -> float | None:
        """Return the GiB that new volumes can be given; None if unknown.

        A thin pool has two limits: the provisioned space against its total, and new volumes
        against the physical free space, so that a full pool takes no more volumes.

        :param thick: compute it for a thick volume, also if the pool supports thin ones.
        """
        physical = self.physical
        if physical is None or thick or not self.thin:
            return physical
        ratio = self.over_subscription
        room = physical * ratio
        if self.total is None:
            return room
        return min(room, (self.total - self.reserved) * ratio - self.provisioned)

    def consume(self, size: float, thick: bool = False) -> None:
        """Subtract a new volume of `size` GiB until the next report; a negative size is added."""
        self.allocated += size
        self.provisioned += size
        if self.free is not None and (thick or not self.thin):
            self.free -= size


def _ratio(*candidates: object) -> float | str:
    """Return the first valid ratio, which is 'auto' or at least 1, or the default."""
    for value in candidates:
        if str(value).strip().lower() == 'auto':
            return 'auto'
        number = parse_gib(value)
        if number is not None and number >= 1:
            return number
    return DEFAULT_RATIO
