# SPDX-License-Identifier: Apache-2.0
"""Options that are put back."""
import pytest

from cinder.conf import CONF


@pytest.fixture
def option():
    """Set an option of [DEFAULT] for the length of a test."""
    changed = []

    def change(name, value):
        CONF.set_override(name, value)
        changed.append(name)
    yield change
    for name in changed:
        CONF.clear_override(name)
