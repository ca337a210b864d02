# SPDX-License-Identifier: Apache-2.0
"""A service is killed at each step of a migration."""
import pytest

from tests.unit.volume.manager.test_volume_migrations import (  # noqa: F401 # fixtures
    STEPS,
    apart,
    bus,
    exported,
    kill_and_go_on,
    kill_on_the_way,
    path,
    start,
    volume,
)


@pytest.mark.parametrize('locked', [False, True])
@pytest.mark.parametrize('step', STEPS)
def test_a_service_goes_on_after_its_restart(
        ctxt, bus, start, volume, path, tmp_path, monkeypatch, told, step, locked):  # noqa: F811
    kill_and_go_on(ctxt, bus, start, volume, path, tmp_path, monkeypatch, told, step, locked)


@pytest.mark.parametrize('step', [step for step in STEPS
                                  if ':copy:' in step or ':progress:' in step])
def test_on_the_way_to_another_machine_it_leaves_no_session(
        ctxt, bus, start, volume, path, tmp_path, monkeypatch, apart, exported, step):  # noqa: F811
    kill_on_the_way(ctxt, bus, start, volume, path, tmp_path, monkeypatch, exported, step)
