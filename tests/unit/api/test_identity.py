# SPDX-License-Identifier: Apache-2.0
"""Asking the identity service; with a server behind it, tests/functional/test_identity.py."""
import pytest

from cinder import exception
from cinder.api import identity
from cinder.conf import CONF


def test_without_options_the_answer_is_503_and_the_log_names_them(ctxt, caplog):
    CONF.set_override('auth_strategy', 'keystone')
    try:
        with pytest.raises(exception.ServiceUnavailable):
            identity.require_project(ctxt, 'any')
    finally:
        CONF.clear_override('auth_strategy')
    assert '[keystone_authtoken]' in caplog.text
