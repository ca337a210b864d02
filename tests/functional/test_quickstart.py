# SPDX-License-Identifier: Apache-2.0
"""The first command of the README, as a person runs it, and once more."""

import os
import subprocess

import pytest

from tests.functional import ceph
from tests.functional.suite import ROOT
from tools import ceph_cluster


@pytest.fixture
def quickstart(tmp_path):
    """Return a function that runs the command and gives its exit status and what it printed."""
    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [ROOT / 'tools' / 'quickstart', '--state-dir', tmp_path / 'state', *words], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False, env={name: value for name, value in os.environ.items()
                              if not name.startswith('OS_')})
        return done.returncode, done.stdout
    return run


@pytest.mark.timeout(900)
def test_demonstration_and_two_more_starts(quickstart, tmp_path):
    status, printed = quickstart('--once', '--port', '0')
    assert status == 0, printed
    assert 'The bytes of copy are those that were written' in printed
    assert 'The bytes of restored are those that were written' in printed
    status, printed = quickstart('--once', '--port', '0')
    assert status == 0, printed
    assert 'Found 3 volumes of an earlier start' in printed
    assert 'The bytes of copy are those that were written' in printed
    # An option that is wrong is named, and no line of an earlier start hides it.
    (tmp_path / 'state' / 'local.conf').write_text('[DEFAULT]\nosapi_max_limit = many\n')
    status, printed = quickstart('--once', '--port', '0')
    assert status == 1
    assert printed.count('osapi_max_limit = many') == 1 and ' INFO ' not in printed, printed


@pytest.mark.timeout(900)
def test_ceph(quickstart, tmp_path):
    """Volumes in a cluster that starts and ends with the suite; a second start finds them."""
    if reason := ceph.lacking():
        pytest.skip(reason)
    words = ('--ceph', '--once', '--port', '0')
    status, printed = quickstart(*words)
    assert status == 0, printed
    assert 'The bytes of restored are those that were written' in printed
    assert printed.count(' volumes/volume-') == 1, printed  # the parent of the copy
    if os.environ.get('CEPH_FULL'):
        status, printed = quickstart(*words)
        assert status == 0, printed
        assert 'Found 3 volumes of an earlier start' in printed
        assert 'The bytes of copy are those that were written' in printed
    cluster = ceph_cluster.Cluster(tmp_path / 'state' / 'ceph')
    assert not any(map(cluster.pid, ceph_cluster.DAEMONS))


def test_port_in_use(quickstart, suite):
    status, printed = quickstart('--once', '--port', str(suite.port))
    assert status == 1
    assert '--port' in printed and 'Traceback' not in printed
