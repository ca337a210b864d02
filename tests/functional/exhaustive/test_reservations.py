# SPDX-License-Identifier: Apache-2.0
"""Every way to reserve a volume ends by every way to let it go."""
import pytest

from tests.api.conftest import member, volume  # noqa: F401 # fixtures
from tests.api.test_reservations import (  # noqa: F401 # fixtures
    RESERVE,
    combinations,
    make,
    nova,
    reserve_and_release,
)


@pytest.mark.parametrize(('way', 'release', 'multiattach'), combinations(RESERVE, RESERVE))
def test_a_reservation_ends(nova, make, way, release, multiattach):  # noqa: F811
    reserve_and_release(nova, make, way, release, multiattach)
