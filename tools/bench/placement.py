# SPDX-License-Identifier: Apache-2.0
"""The decision of the scheduler: CPU for 100 to 10,000 pools, alone, with functions of drivers, and
with its SQL; side by side with a plain loop; memory of a pool; and a simulation.

Starts nothing: `.venv/bin/python tools/bench --only placement`.
"""

import contextlib
import copy
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable

from cinder import conf, context, exception, objects
from cinder.db import migration, session
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.host_manager import HostManager
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes
from tests.unit.scheduler import reference, simulation
from tools.bench.report import Figure

SPECS = {'disk': 'fast'}
# Pools -> most milliseconds of CPU for a decision.
MILLISECONDS = 5
BOUNDS = {100: None, 1000: MILLISECONDS, 10_000: 60}
TIMES, PLAIN_TIMES, FUNCTIONS_TIMES, KIBIBYTES, RATE = 20, 4, 3, 20, 200
SIMULATED, STEPS = 1000, 10_000
FUNCTIONS = {'filter_function': 'volume.size < 1000 and stats.free_capacity_gb > 1',
             'goodness_function': '100 * capabilities.free_capacity_gb / '
                                  'capabilities.total_capacity_gb'}


def measure() -> list[Figure]:
    """Measure; all in this process."""
    figures = [Figure(f'decision over {number:,} pools: CPU', 1000 * _decision(number)[0], 'ms',
                      bound) for number, bound in BOUNDS.items()]
    seconds, plain = _decision(1000)
    functions, _plain = _decision(
        1000, FUNCTIONS, scheduler_default_filters=['AvailabilityZoneFilter', 'CapacityFilter',
                                                    'CapabilitiesFilter', 'DriverFilter'],
        scheduler_default_weighers=['CapacityWeigher', 'GoodnessWeigher'])
    return [
        *figures,
        Figure('decision over 1,000 pools, as a plain loop: CPU', 1000 * plain, 'ms'),
        Figure('decision / plain loop', seconds / plain, 'times', PLAIN_TIMES),
        Figure('decision over 1,000 pools with functions of drivers: CPU', 1000 * functions, 'ms',
               FUNCTIONS_TIMES * MILLISECONDS),
        Figure('refusal by 1,000 pools, with the reason of each: CPU', 1000 * _refusal(1000), 'ms'),
        Figure('decisions with their SQL, 100 pools, per second of CPU', _with_sql(), '/s', RATE,
               True),
        Figure('memory of a pool', _memory() / 1024, 'KiB', KIBIBYTES),
        *_simulation()]


def _report(number: int, functions: dict[str, str] | None = None) -> dict:
    """Return a report as a driver sends it: half of the pools are thin, a quarter is fast."""
    return {
        'driver_version': '1.0', 'volume_backend_name': 'b', 'vendor_name': 'Open',
        'storage_protocol': 'iSCSI', 'pools': [{
            'pool_name': 'p', 'total_capacity_gb': 1000 + number % 97,
            'free_capacity_gb': 500 + number % 389, 'provisioned_capacity_gb': number % 211,
            'allocated_capacity_gb': number % 211, 'reserved_percentage': number % 3 * 5,
            'max_over_subscription_ratio': 2.0, 'thin_provisioning_support': bool(number % 2),
            'thick_provisioning_support': not number % 2, 'total_volumes': 10,
            'multiattach': True, 'QoS_support': False, 'backend_state': 'up',
            'disk': ('fast', 'slow', 'bulk', 'mirror')[number % 4], **(functions or {})}]}


def _scheduler(number: int, functions: dict[str, str] | None = None,
               **options: object) -> FilterScheduler:
    hosts = [f'n{each}@b' for each in range(number)]
    made = fakes.options(**options)
    manager = HostManager(made, fakes.Services(*map(fakes.service, hosts)))
    for each, host in enumerate(hosts):
        manager.update(host, _report(each, functions))
    return FilterScheduler(made, manager)


def _decision(number: int, functions: dict[str, str] | None = None,
              **options: object) -> tuple[float, float]:
    """Return the CPU seconds of a decision, and of the same one as a plain loop; each is the mean
    of requests with and without extra specs and zone. Both choose the same pools."""
    scheduler = _scheduler(number, functions, **options)
    reports = [{**_report(each)['pools'][0], 'name': f'n{each}@b#p', 'zone': 'nova',
                'promised': 0, 'promised_thick': 0} for each in range(number)]
    spent = plain = 0.0
    for specs, zone in (({}, None), (SPECS, None), (SPECS, 'nova')):
        def decide(specs: dict = specs, zone: str | None = zone) -> str:
            placement = scheduler.decide(None, fakes.request(10, specs, availability_zone=zone))
            placement.undo()
            return placement.host

        def loop(specs: dict = specs, zone: str | None = zone) -> str | None:
            return reference.choose(reports, 10, specs, zone)
        assert functions or decide() == loop()
        spent += _seconds(decide) / 3
        plain += _seconds(loop) / 3
    return spent, plain


def _refusal(number: int) -> float:
    """Return the CPU seconds of a decision that finds no pool and explains each."""
    scheduler = _scheduler(number)

    def refuse() -> None:
        with contextlib.suppress(exception.NoValidBackend):
            scheduler.decide(None, fakes.request(100_000, SPECS))
    return _seconds(refuse)


def _seconds(function: Callable[[], object]) -> float:
    function()
    began = time.process_time()
    for _time in range(TIMES):
        function()
    return (time.process_time() - began) / TIMES


def _memory() -> float:
    """Return the bytes of a pool, its report and its back end, after a decision."""
    number = 2000
    services = fakes.Services(*(fakes.service(f'n{each}@b') for each in range(number)))
    manager = HostManager(fakes.options(), services)
    driver = FilterScheduler(fakes.options(), manager)
    gc.collect()
    tracemalloc.start()
    for each in range(number):
        # As it comes from a message: nothing is shared.
        manager.update(f'n{each}@b', copy.deepcopy(_report(each)))
    for specs in ({}, SPECS):
        driver.decide(None, fakes.request(1, specs))
    gc.collect()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found / number


def _with_sql() -> float:
    """Return how many volumes a scheduler claims, places and hands over in a second of CPU."""
    objects.register_all()
    with tempfile.TemporaryDirectory(prefix='bench') as folder:
        conf.CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
        session.reset()
        conf.CONF.set_override('connection', f'sqlite:///{folder}/bench.sqlite', 'database')
        try:
            migration.db_sync()
            return _placed_per_second()
        finally:
            session.reset()
            conf.CONF.clear_override('connection', 'database')


class _Bus:
    """Takes what the scheduler sends."""

    def start(self, *_args: object) -> None:
        pass


def _placed_per_second(number: int = 300) -> float:
    ctxt = context.get_admin_context()
    hosts = [f'n{each}@b' for each in range(100)]
    made = SchedulerManager('bench', conf=fakes.options(), volume_api=_Bus(),
                            list_services=fakes.Services(*map(fakes.service, hosts)))
    pools_db.add(ctxt, [f'{host}#p' for host in hosts])
    for each, host in enumerate(hosts):
        made.update_service_capabilities(ctxt, 'volume', host, {
            **_report(each), 'promises': {'p': [0, 0, 0, 0]}})
    made.readiness._ready.set()
    kind = types_db.default(ctxt)
    waiting = []
    for _number in range(number):
        volume = volumes_db.create(ctxt, {'size': 1, 'status': 'creating', 'project_id': 'p',
                                          'volume_type_id': kind.id})
        volume.volume_type = kind
        waiting.append((operations_db.create(ctxt, 'volume.create', volume, stage='schedule'),
                        volume))
    began = time.process_time()
    for operation, volume in waiting:
        made.create_volume(ctxt, operation, volume)
    spent = time.process_time() - began
    assert all(volumes_db.get(ctxt, volume.id).host for _operation, volume in waiting)
    return number / spent


def _simulation() -> list[Figure]:
    print(f'Simulating {STEPS:,} requests to {SIMULATED:,} pools ...', flush=True)
    began = time.process_time()
    counts = simulation.run(SIMULATED, STEPS, 0.4, 1, 3, 500)
    spent = time.process_time() - began
    print(', '.join(f'{name}: {number}' for name, number in counts.items()))
    return [Figure('simulation: decisions equal to the plain loop', counts['compared'], '', 400,
                   True),
            Figure('simulation: CPU of a request, with its checks', 1000 * spent / STEPS, 'ms')]
