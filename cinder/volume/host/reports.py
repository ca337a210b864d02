# SPDX-License-Identifier: Apache-2.0
"""The report of a back end to the schedulers: what the driver measures, and which of the promised
space that contains, see cinder.db.pools."""
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cinder import objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backend_volumes
from cinder.db import pools as pools_db
from cinder.db.pools import Gib

if TYPE_CHECKING:
    from cinder.volume.host.backend import Backend

# Operations that create the volumes of their promises.
_CREATE = ('volume.create', 'group.copy')


def measure(ctxt: RequestContext, backend: 'Backend') -> dict[str, Any]:
    """Return the capabilities of a back end, with the promises that they contain.

    The promises are read before the storage is measured: a volume whose work had ended by then is
    in the measurement. Another one may be in it and counts as not contained, until the next report.
    """
    place = backend.cluster or backend.host
    counts, unfinished = _promises(ctxt, backend)
    report = _measure(ctxt, backend, unfinished)
    names = {f'{place}#{pool}': pool for pool in _pools(report)}
    if not counts.keys() >= names.keys():
        # The first report of a pool: from now on, what is promised to it is counted.
        pools_db.add(ctxt, names)
        counts, unfinished = _promises(ctxt, backend)
        report = _measure(ctxt, backend, unfinished)
    report['report_interval'] = CONF.backend_stats_polling_interval
    report['promises'] = {
        pool: [*counts[name].minus(unfinished.get(pool, Gib(0, 0))), *counts[name]]
        for name, pool in names.items() if name in counts}
    return report


def _promises(ctxt: RequestContext, backend: 'Backend') -> tuple[dict[str, Gib], dict[str, Gib]]:
    """Return what was ever promised to each pool, by its row, and what of that is not on the
    storage yet, by the name of the pool.

    Read in this order: what is promised in between counts as not on the storage. What the driver
    has allocated by now will be measured.
    """
    counts = pools_db.counts_of_backend(ctxt, backend.cluster or backend.host)
    unfinished: dict[str, Gib] = {}
    entries = pools_db.list_open(ctxt, backend.host, backend.cluster)
    allocated = backend.driver.list_allocated([
        objects.Volume(id=entry.volume_id, name_id=None, size=entry.gib.all)
        for entry in entries if entry.verb in _CREATE])
    for entry in entries:
        if entry.verb in _CREATE and entry.volume_id in allocated:
            continue
        pool = entry.pool.partition('#')[2] or backend.name
        unfinished[pool] = unfinished.get(pool, Gib(0, 0)).plus(entry.gib)
    return counts, unfinished


def _measure(ctxt: RequestContext, backend: 'Backend',
             unfinished: Mapping[str, Gib]) -> dict[str, Any]:
    # Other hosts of the cluster also create volumes, and some ends are reported to no host.
    backend.set_allocated(backend_volumes.capacity_by_pool(ctxt, backend.host, backend.sharing))
    report = backend.capabilities()
    # The rows of these volumes have a place already; the scheduler adds them as promises.
    for pool in report.get('pools') or ():
        _subtract(pool, unfinished.get(pool['pool_name'], Gib(0, 0)).all)
    if not report.get('pools'):
        _subtract(report, sum(gib.all for gib in unfinished.values()))
    return report


def _subtract(report: dict[str, Any], gib: int) -> None:
    # A volume may have been deleted since the promises were read.
    report['allocated_capacity_gb'] = max(report['allocated_capacity_gb'] - gib, 0)


def _pools(report: Mapping[str, Any]) -> list[str]:
    """Return the names of the pools of a report, as the schedulers find them."""
    return [str({**report, **pool}.get('pool_name') or report['volume_backend_name'])
            for pool in report.get('pools') or [{}]]
