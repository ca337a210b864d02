# SPDX-License-Identifier: Apache-2.0
"""Failover and failback of mirrored images, interrupted at each call to either cluster."""
import pytest

from tests.unit.volume.drivers.conftest import (  # noqa: F401 # fixtures
    driver,
    fail_over,
    pools,
    volume,
)
from tests.unit.volume.drivers.test_rbd_replication import interrupt_failback, interrupt_failover


@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('call', range(1, 40))
def test_a_failover_goes_on(pools, volume, fail_over, side, call):  # noqa: F811
    interrupt_failover(pools, volume, fail_over, side, call)


@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('call', range(1, 30))
def test_a_failback_to_a_lost_primary_goes_on(pools, volume, fail_over, side, call):  # noqa: F811
    interrupt_failback(pools, volume, fail_over, side, call)
