# SPDX-License-Identifier: Apache-2.0
"""How much a pool can still take: the arithmetic of reserved, thin and over-subscribed space.

The capacity filter and the weighers ask here, so that they cannot disagree. All sizes are GiB.
"""
import math
from collections.abc import Mapping
from dataclasses import dataclass

# What drivers may say instead of a number (the driver reference, section on volume statistics).
WORDS = {'infinite': math.inf, 'unknown': None}
# Ratio where neither the pool nor the configuration says a usable one.
DEFAULT_RATIO = 20.0


def gib(value: object) -> float | None:
    """A reported amount as a number: inf for 'infinite', None for 'unknown' and for no number."""
    if isinstance(value, str) and value.strip().lower() in WORDS:
        return WORDS[value.strip().lower()]
    try:
        amount = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(amount) else amount


def is_true(value: object) -> bool:
    """Whether a reported flag is on; drivers send booleans and texts."""
    return value is True or str(value).strip().lower() in ('true', 'yes', '1', '<is> true')


def wants_thick(extra_specs: Mapping[str, str]) -> bool:
    """Whether a volume type asks for all of its space at once."""
    return (extra_specs.get('provisioning:type') == 'thick'
            or any(is_true(extra_specs.get(scope + 'thick_provisioning_support'))
                   for scope in ('', 'capabilities:')))


@dataclass(slots=True)
class Capacity:
    """Space of one pool as last reported, less what was placed there since.

    `total` and `free` are None where unknown; `ratio` 'auto' follows the use of the pool.
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
        """The capacity that a pool reports.

        :param report: capabilities of the pool, those of its back end included.
        :param ratio: over-subscription ratio for a pool that reports none.
        :param reserved_percentage: percent of the total for a pool that reports none.
        """
        allocated = gib(report.get('allocated_capacity_gb')) or 0.0
        provisioned = gib(report.get('provisioned_capacity_gb'))
        reserved = gib(report.get('reserved_percentage'))
        return cls(total=gib(report.get('total_capacity_gb')),
                   free=gib(report.get('free_capacity_gb')),
                   allocated=allocated,
                   provisioned=allocated if provisioned is None else provisioned,
                   reserved_percentage=reserved_percentage if reserved is None else reserved,
                   thin=is_true(report.get('thin_provisioning_support')),
                   ratio=_ratio(report.get('max_over_subscription_ratio'), ratio))

    @property
    def reserved(self) -> float:
        """Space that no new volume may use."""
        if self.total is None or math.isinf(self.total):
            return 0.0
        return math.floor(self.total * self.reserved_percentage / 100)

    @property
    def physical(self) -> float | None:
        """Free space above the reserve; None where the pool does not know."""
        return None if self.free is None else self.free - self.reserved

    @property
    def over_subscription(self) -> float:
        """GiB that may be promised for each GiB there is.

        'auto' keeps to what this pool has seen: the promised space for each used GiB, and one more.
        """
        if self.ratio != 'auto':
            return self.ratio
        known = None not in (self.total, self.free) and not math.isinf(self.total + self.free)
        if not known or self.provisioned <= 0:
            return DEFAULT_RATIO
        return 1 + self.provisioned / (max(self.total - self.free, 0.0) + 1)

    def room(self, thick: bool = False) -> float | None:
        """GiB that can still be promised to new volumes; None where the pool does not know.

        A thin pool keeps two bounds: all promises together against its total, and new promises
        against what is physically left, so that a pool that is full in fact takes nothing more.

        :param thick: the volume takes all of its space at once, also where thin is supported.
        """
        physical = self.physical
        if physical is None or thick or not self.thin:
            return physical
        ratio = self.over_subscription
        room = physical * ratio
        if self.total is None:
            return room
        return min(room, (self.total - self.reserved) * ratio - self.provisioned)

    def take(self, size: float, thick: bool = False) -> None:
        """Count a new volume of `size` GiB (negative: give it back) until the next report."""
        self.allocated += size
        self.provisioned += size
        if self.free is not None and (thick or not self.thin):
            self.free -= size


def _ratio(*candidates: object) -> float | str:
    """The first usable ratio: 'auto' or a number from 1 on; less would waste space."""
    for value in candidates:
        if str(value).strip().lower() == 'auto':
            return 'auto'
        number = gib(value)
        if number is not None and number >= 1:
            return number
    return DEFAULT_RATIO
