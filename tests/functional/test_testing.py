# SPDX-License-Identifier: Apache-2.0
"""The package cinder.testing, as tests of a client use it: a suite in a folder of its own."""
import http.client
import os
import re
import subprocess
import time
import urllib.error

import pytest

from cinder.testing import SuiteFailed, suite
from cinder.testing.plugin import cinder_faults, cinder_suite  # noqa: F401
from tests.functional.daemon import ROOT
from tests.functional.processes import wait_until

SECONDS = 20


@pytest.fixture
def create(cinder_suite):  # noqa: F811
    def make(name=None):
        return cinder_suite.call('POST', 'volumes', {'volume': {'size': 1, 'name': name}})[
            'volume']['id']
    return make


@pytest.fixture
def reaches(cinder_suite):  # noqa: F811
    def wait(volume, status):
        def there():
            return cinder_suite.call('GET', f'volumes/{volume}')['volume']['status'] == status
        wait_until(there, SECONDS, lambda: f'volume {volume} to be {status}')
    return wait


def test_an_operation_fails_and_says_why(cinder_suite, cinder_faults, create, reaches):  # noqa: F811
    cinder_faults.add('volume.create', message='no luck', times=1)
    reaches(create(), 'error')
    message, = cinder_suite.call('GET', 'messages')['messages']
    assert message['user_message'].endswith('no luck')
    reaches(create(), 'available')


def test_the_command_of_the_page(cinder_suite, cinder_faults, create, reaches):  # noqa: F811
    page = (ROOT / 'doc/source/clients.rst').read_text()
    command, = re.findall(r'^    (curl -X POST \S+/faults .*\n.*)$', page, re.MULTILINE)
    subprocess.run(command.replace('http://127.0.0.1:8776', cinder_suite.endpoint), shell=True,
                   check=True, capture_output=True)
    assert [each['verb'] for each in cinder_faults.list_all()] == ['volume.create']
    reaches(create(), 'error')
    reaches(create(), 'available')


def test_an_operation_is_stuck_until_the_fault_is_removed(cinder_faults, create,  # noqa: F811
                                                          reaches):
    fault = cinder_faults.add('volume.*', 'stuck')
    stuck = create()
    wait_until(lambda: cinder_faults.list_all(), SECONDS, 'the fault')
    time.sleep(0.5)
    reaches(stuck, 'creating')
    cinder_faults.remove(fault)
    reaches(stuck, 'available')


def test_an_operation_is_slow(cinder_faults, create, reaches):  # noqa: F811
    cinder_faults.add('volume.create', 'slow', seconds=1, times=1)
    began = time.monotonic()
    reaches(create(), 'available')
    assert time.monotonic() - began > 1


def test_a_reply_is_lost_and_the_volume_is_there(cinder_suite, cinder_faults,  # noqa: F811
                                                 create):
    cinder_faults.add(request='POST volumes', action='lose_reply', times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        create('lost')
    assert 'lost' in [each['name'] for each in cinder_suite.call('GET', 'volumes')['volumes']]


def test_a_request_fails(cinder_faults, create):  # noqa: F811
    cinder_faults.add(request='POST volumes', status=502, times=1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        create()
    assert refused.value.code == 502
    create()


def _cpu_seconds(pid):
    """Return the seconds of processor that a process, and those that it has waited for, took."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as file:
        fields = file.read().rpartition(')')[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf('SC_CLK_TCK')


def test_a_suite_stops_whatever_is_stuck(tmp_path):
    with suite.Suite(tmp_path) as own:
        # On a machine that has no other work, that is how long it takes to be up.
        assert _cpu_seconds(own._process.pid) < 2
        own.faults.add('volume.create', 'stuck')
        own.call('POST', 'volumes', {'volume': {'size': 1}})
        wait_until(lambda: 'volume.create of volume' in own.log.read_text(), SECONDS,
                   'the operation to begin')
        began = time.monotonic()
    assert time.monotonic() - began < suite.STOP_SECONDS


def test_a_suite_that_cannot_start_says_why(tmp_path):
    (tmp_path / 'cinder.log').write_text('a line of an earlier start\n' * 20)
    with pytest.raises(SuiteFailed, match='quota_volumes') as failed:
        suite.Suite(tmp_path, options='[DEFAULT]\nquota_volumes = many').start()
    assert 'earlier' not in str(failed.value)
