# SPDX-License-Identifier: Apache-2.0
"""Every operation asks the trash for the space that it needs, on storage whose snapshots take space
and on other storage."""
import pytest

from tests.unit.volume.manager.test_trash_room import (  # noqa: F401 # fixtures
    PATHS,
    get_space,
    kind,
    world,
)


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.__name__.strip('_'))
def test_what_needs_space_gets_that_of_the_trash(world, kind, path):  # noqa: F811
    get_space(world, kind, path)
