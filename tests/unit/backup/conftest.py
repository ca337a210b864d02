# SPDX-License-Identifier: Apache-2.0
"""Options of backups for one test."""
import pytest

from cinder.conf import CONF


@pytest.fixture
def conf():
    """CONF; what a test overrides with set_override() ends with it."""
    yield CONF
    for name in CONF:
        if name.startswith('backup_'):
            CONF.clear_override(name)
