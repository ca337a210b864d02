# SPDX-License-Identifier: Apache-2.0
"""Options of backups that cannot be honoured are told at the start."""
import types

import pytest

from cinder.backup import checks


@pytest.mark.parametrize(('value', 'told'), [(True, 0), (False, 1)])
def test_copies_are_not_made(value, told):
    problems = list(checks.check(types.SimpleNamespace(backup_use_temp_snapshot=value)))
    assert [problem.fatal for problem in problems] == [False] * told
