# SPDX-License-Identifier: Apache-2.0
"""Lets tests import the entry points without patching the standard library of the test run, and
have the options of the log as a daemon has them."""
import sys
import types

import pytest
from oslo_log import log

from cinder.conf import CONF

sys.modules.setdefault('cinder.cmd.monkey_patch', types.ModuleType('cinder.cmd.monkey_patch'))


@pytest.fixture
def unparsed(monkeypatch):
    """CONF as it is before the command line is parsed: options for it can be registered."""
    monkeypatch.setattr(CONF, '_args', None)
    log.register_options(CONF)
