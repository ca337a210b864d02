# SPDX-License-Identifier: Apache-2.0
"""Tests of this folder start labs of their own: pytest runs them outside."""
import pytest

from tools import lab


@pytest.fixture(scope='session', autouse=True)
def in_a_lab():
    """In place of the fixture that wants tests to be in one."""
    if reason := lab.obstacle():
        pytest.skip(reason)
    if not lab.separate():
        pytest.skip('here a lab is this machine, not a guest')
