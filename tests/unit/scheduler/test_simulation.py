# SPDX-License-Identifier: Apache-2.0
"""No pool is over-promised, no request is refused that fits, and each decision is that of a plain
loop: a small cloud, SIMULATION_FULL=yes one of 10,000 pools and 1,000,000 volumes (an hour)."""
import os

import pytest

from tests.unit.scheduler import simulation

FULL = bool(os.environ.get('SIMULATION_FULL'))


@pytest.mark.parametrize('seed', range(3))
def test_small_cloud(seed):
    counts = simulation.run(pools=16, steps=400, fill=0.4, seed=seed, schedulers=3, compared=120)
    assert all(counts.values()), counts


@pytest.mark.skipif(not FULL, reason='takes an hour; SIMULATION_FULL=yes runs it')
def test_large_cloud():
    counts = simulation.run(pools=10_000, steps=1_430_000, fill=0.5, schedulers=2,
                            compared=10_500, tell=print,
                            seed=int(os.environ.get('SIMULATION_SEED', 1)))
    assert counts['placed'] > 900_000 and counts['compared'] >= 10_000, counts
