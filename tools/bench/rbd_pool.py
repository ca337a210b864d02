# SPDX-License-Identifier: Apache-2.0
"""Volumes on RBD: what they take over REST beside the bare calls of librbd in the same run, and
what each operation asks of the cluster."""
from __future__ import annotations

import contextlib
import itertools
import pathlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cinder.brick.ceph import calls, errors
from cinder.brick.ceph.pool import Pool
from cinder.objects import Volume
from cinder.volume.drivers.rbd import RBDDriver
from tests import rbd_storage
from tests.fakes import volumes
from tests.functional import ceph, databases, rabbit
from tests.functional.client import Client
from tests.functional.suite import Node, Suite
from tools.bench.report import Figure
from tools.bench.turns import in_turns

GIB, ROUNDS, SINGLE = 2**30, 7, 15
STORM, IN_FLIGHT = 200, 16
# Seconds between two looks of a client at what it waits for.
PAUSE, STORM_PAUSE = 0.02, 0.05
# What a request may take beside the bare call.
FIXED_MS, FACTOR = 60, 1.5
# Calls to librados and librbd that an operation may make, with the opening of images.
CALLS = {'create': 1, 'snapshot': 2, 'volume from a snapshot': 7, 'clone': 11, 'extend': 3,
         'statistics': 1, 'delete of a snapshot': 2, 'delete': 3}


def measure(server: databases.Server, broker: rabbit.Rabbit,
            folder: pathlib.Path) -> list[Figure]:
    """Start a cluster of one node and measure."""
    if reason := ceph.lacking():
        print(f'RBD is left out: {reason}')
        return []
    print('Starting Ceph ...', flush=True)
    with ceph.started(folder / 'ceph', timeout=60) as cluster:
        driver = rbd_storage.driver(**ceph.options(cluster))
        return [*counts(driver), *sizes(driver), *over_rest(cluster, server, broker, folder)]


# --------------------------------------------------------------------------------------- the calls
def counts(driver: RBDDriver) -> list[Figure]:
    """Return how many calls each operation makes."""
    volume, clone, third = (volumes.volume() for _ in range(3))
    snapshot = volumes.snapshot(volume)
    driver.get_volume_stats(refresh=True)
    steps: dict[str, Callable[[], object]] = {
        'create': lambda: driver.create_volume(volume),
        'snapshot': lambda: driver.create_snapshot(snapshot),
        'volume from a snapshot': lambda: driver.create_volume_from_snapshot(third, snapshot),
        'clone': lambda: driver.create_cloned_volume(clone, volume),
        'extend': lambda: driver.extend_volume(volume, 2),
        'statistics': lambda: driver.get_volume_stats(refresh=True),
        'delete of a snapshot': lambda: driver.delete_snapshot(snapshot)}
    figures = []
    for name, step in steps.items():
        figures.append(_counted(name, step))
    driver.delete_volume(clone)
    driver.delete_volume(third)
    return [*figures, _counted('delete', lambda: driver.delete_volume(volume))]


def _counted(name: str, step: Callable[[], object]) -> Figure:
    with calls.counted() as made:
        step()
    return Figure(f'calls to Ceph: {name} ({", ".join(sorted(made))})', made.total(), '',
                  CALLS[name])


def sizes(driver: RBDDriver) -> list[Figure]:
    """Compare clones of 100 GiB and of 1 GiB, with the same data in both."""
    sources = [volumes.volume(size) for size in (1, 100)]
    made = []

    def clone(source: object) -> None:
        made.append(volumes.volume(source.size))
        driver.create_cloned_volume(made[-1], source)
    for source in sources:
        driver.create_volume(source)
        driver.run(_write, source.name)
    small, big = in_turns(*(lambda each=each: clone(each) for each in sources), rounds=ROUNDS)
    for volume in (*made, *sources):
        driver.delete_volume(volume)
    return [Figure('clone of 100 GiB against 1 GiB', big / small, 'times', 1.3)]


def _write(pool: Pool, name: str) -> None:
    with pool.image(name) as image:
        for number in range(8):
            image.write(bytes([number + 1]) * 2**22, number * 2**26)


# ----------------------------------------------------------------------------------------- REST
def over_rest(cluster: ceph.Cluster, server: databases.Server, broker: rabbit.Rabbit,
              folder: pathlib.Path) -> list[Figure]:
    """Measure through the API beside the bare calls, in turns."""
    with _suite(cluster, server, broker, folder) as client:
        bare = Bare(rbd_storage.driver(**ceph.options(cluster, 'spare')))
        client.ready_volume()
        bare_s, rest_s = in_turns(bare.create, client.ready_volume, rounds=SINGLE)
        source = client.ready_volume()
        bare_two_s, driver_two_s, two_s = in_turns(
            bare.snapshot_and_clone, bare.snapshot_and_volume,
            lambda: _snapshot_and_volume(client, source['id']), rounds=ROUNDS)
        storm = IN_FLIGHT / bare.storm_seconds()
        client.pause = STORM_PAUSE
        rate = _storm(client)
        bare.clear()
    bound = FACTOR * bare_s * 1000 + FIXED_MS
    return [
        Figure('bare create of an image', bare_s * 1000, 'ms'),
        Figure('volume over REST, until it is available', rest_s * 1000, 'ms', round(bound, 1)),
        Figure('bare snapshot and clone of it', bare_two_s * 1000, 'ms'),
        Figure('snapshot and volume from it by the driver', driver_two_s * 1000, 'ms',
               round(2 * bare_two_s * 1000, 1)),
        Figure('snapshot and volume from it over REST', two_s * 1000, 'ms',
               round(2 * (bare_two_s * 1000 + FIXED_MS), 1)),
        Figure(f'bare creates in {IN_FLIGHT} threads', storm, 'a second'),
        Figure(f'{STORM} volumes over REST, {IN_FLIGHT} in flight', rate, 'a second',
               round(min(25, 0.7 * storm), 1), least=True)]


@contextlib.contextmanager
def _suite(cluster: ceph.Cluster, server: databases.Server, broker: rabbit.Rabbit,
           folder: pathlib.Path) -> Iterator[Client]:
    suite = Suite(folder / 'suite-rbd', server.url('bench_rbd'), broker.url('bench_rbd'),
                  nodes=(Node('bench'),), faults=False, backends=('ceph',), options={
                      'DEFAULT': {'report_interval': 10, 'operation_poll_interval': 5,
                                  'operation_lease': 60, 'service_down_time': 60,
                                  'quota_volumes': -1, 'quota_gigabytes': -1,
                                  'quota_snapshots': -1},
                      'ceph': {**ceph.options(cluster), 'max_over_subscription_ratio': 10000}})
    try:
        suite.start()
        yield suite.client(project='d' * 32, pause=PAUSE)
    finally:
        suite.stop()


def _snapshot_and_volume(client: Client, volume_id: str) -> None:
    snapshot = client.ready_snapshot(volume_id)
    client.ready_volume(snapshot_id=snapshot['id'])


def _storm(client: Client) -> float:
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        began = time.monotonic()
        for job in [pool.submit(client.ready_volume, seconds=120) for _ in range(STORM)]:
            job.result()
        return STORM / (time.monotonic() - began)


class Bare:
    """The calls of librbd that any program needs, in another pool."""

    def __init__(self, driver: RBDDriver) -> None:
        self._driver, self._numbers = driver, itertools.count()
        self._source = self.create()
        self._volume: Volume | None = None

    def create(self) -> str:
        name = f'bare-{next(self._numbers)}'
        self._driver.run(lambda pool: pool.rbd('create', name, GIB, self._driver.order))
        return name

    def snapshot_and_clone(self) -> None:
        snapshot = f's{next(self._numbers)}'

        def work(pool: Pool) -> None:
            with pool.image(self._source) as image:
                image.create_snap(snapshot)
            pool.rbd('clone', self._source, snapshot, pool.ioctx, f'clone-{snapshot}')
        self._driver.run(work)

    def snapshot_and_volume(self) -> None:
        """What the driver does for a snapshot and a volume from it."""
        if self._volume is None:
            self._volume = volumes.volume()
            self._driver.create_volume(self._volume)
        snapshot = volumes.snapshot(self._volume)
        self._driver.create_snapshot(snapshot)
        self._driver.create_volume_from_snapshot(volumes.volume(), snapshot)

    def storm_seconds(self) -> float:
        """Return the seconds of as many creates as run at a time, of many."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            began = time.monotonic()
            for job in [pool.submit(self.create) for _ in range(STORM)]:
                job.result()
            return (time.monotonic() - began) * IN_FLIGHT / STORM

    def clear(self) -> None:
        """Remove all images."""
        self._driver.run(_clear)


def _clear(pool: Pool) -> None:
    for name in sorted(pool.rbd('list')):
        with contextlib.suppress(errors.NotFound), pool.image(name) as image:
            for snapshot in list(image.list_snaps()):
                image.remove_snap(snapshot['name'])
        with contextlib.suppress(errors.HasSnapshots):
            pool.rbd('remove', name)
