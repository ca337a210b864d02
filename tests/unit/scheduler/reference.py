# SPDX-License-Identifier: Apache-2.0
"""A decision as a plain loop over dictionaries: what the scheduler must find, and the limit of its
speed."""
import math
from collections.abc import Iterable, Mapping


def room_of(report: Mapping, thick: bool) -> float:
    """Return the GiB that a pool of this report has for a volume; `promised` and `promised_thick`
    are GiB that the other amounts do not contain."""
    reserved = math.floor(report['total_capacity_gb'] * report['reserved_percentage'] / 100)
    thin = report['thin_provisioning_support']
    taken = report['promised_thick'] if thin else report['promised']
    physical = report['free_capacity_gb'] - taken - reserved
    if thick or not thin:
        return physical
    ratio = report['max_over_subscription_ratio']
    virtual = (report['total_capacity_gb'] - reserved) * ratio
    return min(physical * ratio,
               virtual - report['provisioned_capacity_gb'] - report['promised'])


def choose(reports: Iterable[Mapping], size: int, specs: Mapping[str, str], zone: str | None = None,
           only: frozenset = frozenset(), without: frozenset = frozenset()) -> str | None:
    """Return the name of the pool with most room; None: no pool fits.

    :param specs: capabilities that the pool must have; provisioning:type is none.
    :param only: names of the pools that may be used, if there are any.
    :param without: names of pools that must not be used.
    """
    thick = specs.get('provisioning:type') == 'thick'
    wanted = [item for item in specs.items() if item[0] != 'provisioning:type']
    best = None
    for report in reports:
        if zone and report['zone'] != zone:
            continue
        if only and report['name'] not in only or report['name'] in without:
            continue
        if not all(report.get(name) == value for name, value in wanted):
            continue
        room = room_of(report, thick)
        if room < size:
            continue
        rank = (-room, report['provisioned_capacity_gb'] + report['promised'], report['name'])
        if best is None or rank < best:
            best = rank
    return best and best[2]
