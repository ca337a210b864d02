# SPDX-License-Identifier: Apache-2.0
"""QoS specs whose limits follow from the size of the volume: `*_per_gb` with the bounds
`*_per_gb_min` and `*_max`. Hypervisors and storage know only the limits that are computed here."""
from collections.abc import Mapping

PER_GIB = '_per_gb'
# Limits of hypervisors, per second.
RATES = tuple(f'{direction}_{unit}_sec' for direction in ('read', 'write', 'total')
              for unit in ('iops', 'bytes'))
# Keys whose values are computed with.
NUMBERS = tuple(rate + suffix for rate in RATES for suffix in (PER_GIB, f'{PER_GIB}_min'))


def of_size(specs: Mapping[str, str], size: int) -> dict[str, str | int]:
    """Return the specs for a volume of `size` GiB.

    A limit per GiB replaces the fixed one of the same name. It is at least its minimum, and at most
    the key `*_max`, which is consumed then.

    :raises ValueError: a value is no number
    """
    found: dict[str, str | int] = dict(specs)
    for rate in RATES:
        per_gib = found.pop(rate + PER_GIB, None)
        least = found.pop(f'{rate}{PER_GIB}_min', 0)
        if per_gib is not None:
            limit = max(int(per_gib) * size, int(least or 0))
            most = found.pop(f'{rate}_max', None)
            found[rate] = limit if most is None else min(limit, int(most))
    return found


def fault(specs: Mapping[str, str | None]) -> str | None:
    """Return what is wrong with the keys that of_size() reads; None: nothing."""
    for key, value in specs.items():
        bounded = key.endswith('_max') and f'{key.removesuffix("_max")}{PER_GIB}' in specs
        if (key in NUMBERS or bounded) and not str(value).isdecimal():
            return f"{key} is '{value}'; expected a whole number"
    for rate in RATES:
        if f'{rate}{PER_GIB}_min' in specs and rate + PER_GIB not in specs:
            return f'{rate}{PER_GIB}_min has no effect without {rate}{PER_GIB}'
    return None
