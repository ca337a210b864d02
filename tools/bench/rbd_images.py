# SPDX-License-Identifier: Apache-2.0
"""Whether the driver is slower in a pool of Ceph with many images: two pools of one cluster, one
with a hundred images and one with many, are measured in turns."""
from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cinder.brick.ceph import calls
from cinder.volume.drivers.rbd import RBDDriver
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph
from tools.bench.report import Figure
from tools.bench.turns import in_turns, seconds

GIB, FEW, ROUNDS, THREADS, SHOWN = 2**30, 100, 25, 16, 10_000
# The smallest times are those of the machine.
MACHINE = 0.002
BOUND = 1.5
# A sparse image without maps, which is created with the fewest requests.
PLAIN = {'old_format': False, 'features': 1}


def measure(many: int) -> list[Figure]:
    """Start a cluster of one node and measure.

    :param many: images of the large pool
    """
    if reason := ceph.lacking():
        print(f'The pool of many images is left out: {reason}')
        return []
    print('Starting Ceph ...', flush=True)
    with (tempfile.TemporaryDirectory(prefix='bench-rbd') as folder,
          ceph.started(pathlib.Path(folder) / 'ceph', timeout=60) as cluster):
        small, large = (rbd_storage.driver(**ceph.options(cluster, pool))
                        for pool in ('spare', 'volumes'))
        fill(small, FEW)
        before = _turns(small)
        took = seconds(lambda: fill(large, many))
        with calls.counted() as made:
            both = _turns(small, large)
        found = large.run(lambda pool: len(list(pool.rbd('list2'))))
    return [Figure('images of the large pool', found, '', many, least=True),
            Figure('their creation by bare calls', many / took, 'a second'),
            Figure('listings of a pool', sum(made[each] for each in rbd_storage.LISTS), '', 0),
            *_compared(before, both, many)]


def _compared(before: dict[str, list[float]], both: dict[str, list[float]],
              many: int) -> list[Figure]:
    figures = []
    for name, (few, lots) in both.items():
        figures += [
            Figure(f'{name} in a pool of {FEW} images', few * 1000, 'ms'),
            Figure(f'{name}: {many} images against {FEW}', (lots + MACHINE) / (few + MACHINE),
                   'times', BOUND),
            Figure(f'{name}: {FEW} images with {many} beside them against none beside them',
                   (few + MACHINE) / (before[name][0] + MACHINE), 'times')]
    return figures


def _turns(*drivers: RBDDriver) -> dict[str, list[float]]:
    """Return step -> median seconds with each of the drivers."""
    every = [_steps(driver) for driver in drivers]
    found = in_turns(*(run for steps in every for run in steps.values()), rounds=ROUNDS)
    count = len(every[0])
    return {name: found[number::count] for number, name in enumerate(every[0])}


def _steps(driver: RBDDriver) -> dict[str, Callable[[], object]]:
    """Return what a round does, in this order."""
    volume, clone, snapshot = [], [], []

    def create() -> None:
        volume.append(volumes.volume())
        driver.create_volume(volume[-1])

    def snap() -> None:
        snapshot.append(volumes.snapshot(volume[-1]))
        driver.create_snapshot(snapshot[-1])

    def from_snapshot() -> None:
        clone.append(volumes.volume())
        driver.create_volume_from_snapshot(clone[-1], snapshot[-1])

    return {'report': lambda: driver.get_volume_stats(refresh=True),
            'create': create, 'snapshot': snap, 'volume from a snapshot': from_snapshot,
            'delete of the clone': lambda: driver.delete_volume(clone.pop()),
            'delete of a snapshot': lambda: driver.delete_snapshot(snapshot.pop()),
            'delete': lambda: driver.delete_volume(volume.pop())}


def fill(driver: RBDDriver, many: int) -> None:
    """Create sparse images, as a busy site has them."""
    def create(number: int) -> None:
        driver.run(lambda pool: pool.rbd('create', f'many-{number}', GIB, 22, **PLAIN))
    with ThreadPoolExecutor(THREADS) as pool:
        for number, _made in enumerate(pool.map(create, range(many)), 1):
            if number % SHOWN == 0:
                print(f'{number} of {many} images', flush=True)
