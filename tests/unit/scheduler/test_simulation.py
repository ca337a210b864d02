# SPDX-License-Identifier: Apache-2.0
"""No pool is over-promised, no request is refused that fits, and each decision is that of a plain
loop: a small cloud, SIMULATION_FULL=yes one of 10,000 pools and 1,000,000 volumes
(1,430,000 requests; 5,275 s of CPU with other programs on both processors).
SIMULATION_STATE=FILE saves the large one now and then; another run goes on from there."""
import functools
import os
import pathlib
import pickle

import pytest

from tests.unit.scheduler import simulation

FULL = bool(os.environ.get('SIMULATION_FULL'))


@pytest.mark.parametrize('seed', range(3))
def test_small_cloud(seed):
    counts = simulation.run(pools=16, steps=400, fill=0.4, seed=seed, schedulers=3, compared=120)
    assert all(counts.values()), counts


def test_a_saved_cloud_goes_on_as_if_it_had_not_been_saved(tmp_path):
    whole, half = (simulation.Cloud(pools=16, volumes=120, seed=7) for _number in range(2))
    for _number in range(150):
        whole.step()
        half.step()
    simulation.save(half, tmp_path / 'state')
    half = pickle.loads((tmp_path / 'state').read_bytes())
    for _number in range(150):
        whole.step()
        half.step()
    assert half.counts == whole.counts and half.counts['placed'] and half.counts['compared']
    assert [(pool.size, pool.promised) for pool in half.pools.values()] == [
        (pool.size, pool.promised) for pool in whole.pools.values()]


@pytest.mark.timeout(0)
@pytest.mark.skipif(not FULL, reason='SIMULATION_FULL=yes runs it')
def test_large_cloud():
    state = os.environ.get('SIMULATION_STATE')
    counts = simulation.run(pools=10_000, steps=1_430_000, fill=0.5, schedulers=2,
                            compared=10_500, tell=functools.partial(print, flush=True),
                            state=pathlib.Path(state) if state else None,
                            seed=int(os.environ.get('SIMULATION_SEED', 1)))
    assert counts['placed'] > 900_000 and counts['compared'] >= 10_000, counts
