# SPDX-License-Identifier: Apache-2.0
"""A service is killed at each step of a deletion into the trash, a restore and a purge."""
import pytest

from tests.unit.volume.manager.test_trash import (  # noqa: F401 # fixtures
    PLACES,
    interrupt,
    killed,
    kind,
    manager,
    run,
    snapshot,
    volume,
)


@pytest.mark.parametrize('point', PLACES)
def test_every_interruption_is_resumed(ctxt, manager, kind, request, folder, sent,  # noqa: F811
                                       killed, point):  # noqa: F811
    interrupt(ctxt, manager, kind, request, folder, sent, killed, point)
