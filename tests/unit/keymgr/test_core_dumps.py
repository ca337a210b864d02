# SPDX-License-Identifier: Apache-2.0
"""The limit of core dumps of a process that knows keys."""
import resource

import pytest

from cinder.keymgr import core_dumps


@pytest.mark.parametrize(('most', 'now'), [(resource.RLIM_INFINITY, 1), (0, 0)])
def test_no_core_dump(monkeypatch, most, now):
    limits = []
    monkeypatch.setattr(resource, 'getrlimit', lambda _kind: (0, most))
    monkeypatch.setattr(resource, 'setrlimit', lambda *args: limits.append(args))
    core_dumps.prevent.__wrapped__()
    assert limits == [(resource.RLIMIT_CORE, (now, now))]
