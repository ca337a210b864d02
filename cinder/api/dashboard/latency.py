# SPDX-License-Identifier: Apache-2.0
"""The times of the requests of this cinder-api, from the histogram of its metrics."""
import collections
from typing import Any

from cinder import metrics
from cinder.metrics import table

NAME = 'cinder_api_request_seconds'
MOST = 10


def by_route() -> list[dict[str, Any]] | None:
    """Return the routes with the most requests: their number and the times within which half and
    95 of 100 were answered. None: the metrics are off."""
    store = metrics.current()
    if store is None:
        return None
    found: dict[tuple[str, str], dict[float, float]] = collections.defaultdict(dict)
    for sample in store.samples(NAME):
        if sample.bound is not None:
            labels = dict(sample.labels)
            found[labels['method'], labels['route']][sample.bound] = sample.value
    rows = [{'method': method, 'route': route, 'number': int(counts[float('inf')]),
             'median': quantile(counts, 0.5), 'slow': quantile(counts, 0.95)}
            for (method, route), counts in found.items()]
    rows = sorted(rows, key=lambda row: -row['number'])[:MOST]
    longest = max((row['slow'] for row in rows), default=0.0)
    return [{**row, 'share': row['slow'] / longest} for row in rows]


def quantile(counts: dict[float, float], share: float) -> float:
    """Return the time within which a share of the requests was answered, in seconds; linear inside
    of a bucket, as Prometheus does it.

    :param counts: upper bound -> requests that took no longer
    """
    wanted, below, before = share * counts[float('inf')], 0.0, 0.0
    for bound in sorted(counts):
        if counts[bound] >= wanted:
            if bound == float('inf'):
                return table.FAST[-1]
            inside = counts[bound] - before
            return below + (bound - below) * ((wanted - before) / inside if inside else 1)
        below, before = bound, counts[bound]
    raise AssertionError('unreachable')
