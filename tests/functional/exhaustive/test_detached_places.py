# SPDX-License-Identifier: Apache-2.0
"""The first of those who wait for one image is cancelled, in each part of the image, while others
came in each part before."""
import pytest

from tests.unit.volume.manager.test_detached_transfers import (  # noqa: F401 # fixtures
    cancel_leader,
    formats,
    orders,
    source,
)
from tests.unit.volume.manager.test_image_transfers import (  # noqa: F401 # fixtures
    nothing_left,
    service,
    transfers,
)


@pytest.mark.parametrize(('kind', 'joined', 'cancelled'), [
    ('raw', None, 2), ('raw', None, 3), ('raw', 0, 0), ('raw', 0, 3), ('raw', 1, 1),
    ('raw', 1, 3), ('qcow2', None, 1), ('qcow2', 0, 1)])
def test_the_leader_is_cancelled(orders, source, kind, joined, cancelled):  # noqa: F811
    cancel_leader(orders, source, kind, joined, cancelled)
