# SPDX-License-Identifier: Apache-2.0
"""The back ends on native threads: the life of a thin volume, which test_life.py tries on eventlet,
once more. All of the folder is tried so with OS_DEFAULT__CONCURRENCY_BACKEND=threading in the
environment of tools/test."""
import contextlib
import os

import pytest

from tests.lvm import group, service
from tests.lvm.rest.test_life import test_the_life_of_volumes as life

VARIABLE = 'OS_DEFAULT__CONCURRENCY_BACKEND'
# What the hub of eventlet waits with.
HUB = 'anon_inode:[eventpoll]'


def are_green(suite) -> list[bool]:
    """Whether the threads of each back end are those of eventlet."""
    found = []
    for pid in suite.worker_pids('volume'):
        files = []
        for name in os.listdir(f'/proc/{pid}/fd'):
            with contextlib.suppress(FileNotFoundError):
                files.append(os.readlink(f'/proc/{pid}/fd/{name}'))
        found.append(HUB in files)
    return found


@pytest.fixture
def native_threads(suite, witness):
    """Restart the back ends. They stay so: no other test of the folder comes later."""
    assert VARIABLE in os.environ or all(are_green(suite))
    suite.processes['volume'].env[VARIABLE] = 'threading'
    with service.restarting(suite):
        pass
    assert not any(are_green(suite))


def test_the_life_of_a_thin_volume(native_threads, client):
    life(client, group.NAME)
