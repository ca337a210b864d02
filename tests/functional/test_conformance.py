# SPDX-License-Identifier: Apache-2.0
"""The running service against the facts of the API, by the checker that lies next to the facts."""

import subprocess
import sys

import pytest

from tests.functional.client import PROJECT
from tests.functional.suite import ROOT

CHECKER = ROOT.parent / 'shared' / 'tools' / 'api_conformance.py'


@pytest.mark.skipif(not CHECKER.exists(), reason=f'the facts are not here: {CHECKER}')
@pytest.mark.parametrize('version', ['3.0', '3.27', '3.50', '3.71'])
def test_every_group(suite, version):
    done = subprocess.run(
        [sys.executable, CHECKER, '--endpoint', suite.endpoint, '--project', PROJECT,
         '--noauth-user', 'conformance', '--policy', '--with-freeze', '--with-disable', '--verbose',
         '--microversion', version],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
