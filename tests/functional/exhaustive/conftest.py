# SPDX-License-Identifier: Apache-2.0
"""Tests in one process, with the fakes of the unit and API tests, that try each fault at each place
or each pair of requests: too long for where developers wait for the result."""
from tests.api.conftest import (  # noqa: F401
    api,
    application,
    bus,
    daemons,
    image_service,
    world,
)
from tests.unit.volume.conftest import _hurry, conf, folder, manager, sent  # noqa: F401
