# SPDX-License-Identifier: Apache-2.0
"""What is known of the last look at the storage of a back end: its time, its error, and the sizes
of the pools, for the metrics and the readiness."""
import contextlib
import datetime
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cinder import failures, metrics
from cinder.volume.host import forecast

if TYPE_CHECKING:
    from cinder.volume.host.backend import Backend

GIB = 1024 ** 3
# Key of a report -> the gauge, and what one unit of the key is in the unit of the gauge.
_SIZES = {'total_capacity_gb': ('cinder_pool_total_bytes', GIB),
          'free_capacity_gb': ('cinder_pool_free_bytes', GIB),
          'provisioned_capacity_gb': ('cinder_pool_provisioned_bytes', GIB),
          'allocated_capacity_gb': ('cinder_pool_allocated_bytes', GIB),
          'data_percent': ('cinder_pool_data_used_ratio', 0.01),
          'metadata_percent': ('cinder_pool_metadata_used_ratio', 0.01)}


class Probe(NamedTuple):
    """A look at the storage; `at` in seconds since 1970, `error` is '' if it answered."""

    at: float
    seconds: float
    error: str


@contextlib.contextmanager
def probing(backend: 'Backend') -> Iterator[None]:
    """Keep the time and the error of the body, which asks the storage."""
    at, began, error = time.time(), time.monotonic(), ''
    try:
        yield
    except Exception as exc:
        error = failures.one_line(exc)
        raise
    finally:
        backend.last_probe = probe = Probe(at, time.monotonic() - began, error)
        metrics.gauge('cinder_backend_probe_timestamp_seconds', probe.at, backend.host)
        metrics.gauge('cinder_backend_probe_seconds', probe.seconds, backend.host)


def describe(backend: 'Backend') -> dict[str, Any] | None:
    """Return the last look as plain values; None: there was none yet."""
    probe = backend.last_probe
    if probe is None:
        return None
    at = datetime.datetime.fromtimestamp(probe.at, datetime.UTC)
    return {'at': at.isoformat(timespec='seconds'), 'seconds': round(probe.seconds, 3),
            'error': probe.error}


def report_pools(backend: 'Backend', report: Mapping[str, Any]) -> None:
    """Set the gauges of the pools of a report."""
    if not metrics.is_on():
        return
    for pool in report.get('pools') or [{}]:
        values = {**report, **pool}
        name = f'{backend.host}#{values.get("pool_name") or values["volume_backend_name"]}'
        for key, (gauge, unit) in _SIZES.items():
            # A driver may report 'infinite' or 'unknown'.
            if isinstance(values.get(key), (int, float)):
                metrics.gauge(gauge, values[key] * unit, name)
        metrics.gauge('cinder_pool_full_in_seconds', forecast.seconds_of(values), name)
