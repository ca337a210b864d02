# SPDX-License-Identifier: Apache-2.0
"""The running service against the facts of the API, by the checker that lies next to the facts."""

import subprocess
import sys

import pytest

from tests.functional.client import PROJECT
from tests.functional.suite import ROOT

CHECKER = ROOT.parent / 'shared' / 'tools' / 'api_conformance.py'
GROUPS = ('attachments', 'availability-zones', 'extra-specs', 'limits', 'messages',
          'quota-classes', 'quotas', 'scheduler-stats', 'services', 'snapshot-metadata',
          'snapshots', 'type-access', 'types', 'versions', 'volume-metadata', 'volumes')


@pytest.mark.skipif(not CHECKER.exists(), reason=f'the facts are not here: {CHECKER}')
@pytest.mark.parametrize('group', GROUPS)
def test_group(suite, group):
    done = subprocess.run(
        [sys.executable, CHECKER, '--endpoint', suite.endpoint, '--project', PROJECT,
         '--noauth-user', 'conformance', '--policy', '--group', group],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
