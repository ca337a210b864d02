# SPDX-License-Identifier: Apache-2.0
"""A cinder-volume with two back ends, one of which has an lvs that hangs (fault F21): it is
reported down with the reason and without a pile of processes, and comes back; the other works."""
import os
import pathlib
import time

import pytest

from tests.functional import processes
from tests.functional.suite import BACKEND

PROGRAMS = pathlib.Path(__file__).parents[1] / 'fakes' / 'lvm'
LVM = 'thick'
HEARTBEAT = 4
# A back end that answered in the last 4.5 s is not asked; the next heartbeat starts a look, which
# gives up after 9 s, and the one after that reports. With heartbeats each 10 s that makes 25 s.
NOTICED = 4.5 + HEARTBEAT + 9 + HEARTBEAT + 1

pytestmark = pytest.mark.skipif(os.geteuid(), reason='needs root, to run commands without sudo')


@pytest.fixture
def hangs(tmp_path, monkeypatch):
    """The file that makes lvs hang; the programs are first in the PATH of the daemons."""
    for name in ('vgs', 'lvs', 'lvcreate', 'lvremove'):
        (tmp_path / name).symlink_to(PROGRAMS / 'report')
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    monkeypatch.setenv('LVM_HANGS', str(tmp_path / 'hangs'))
    flag = tmp_path / 'hangs'
    yield flag
    flag.unlink(missing_ok=True)


@pytest.fixture
def suite(hangs, installation, postgresql):
    options = {'DEFAULT': {'report_interval': HEARTBEAT}, LVM: {
        'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
        'lvm_type': 'default', 'lvm_conf_file': 'none', 'volume_clear': 'none'}}
    with installation('hung', postgresql.url('hung'), backends=(BACKEND, LVM),
                      options=options, faults=False) as suite:
        yield suite


def running(folder):
    """The hung programs of a folder."""
    found = {}
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            argv = path.read_bytes().split(b'\0')
            parent = path.with_name('stat').read_text().rpartition(')')[2].split()[1]
        except OSError:
            continue
        if str(folder / 'lvs').encode() in argv:
            found[path.parent.name] = parent
    # The shell's child is called like the shell until it has become its "sleep".
    return [pid for pid, parent in found.items() if parent not in found]


def test_a_hung_lvs(suite, hangs):
    client = suite.client()
    names = {name: ('cinder-volume', f'node1@{name}') for name in (BACKEND, LVM)}
    hangs.touch()
    began = time.monotonic()
    seconds = []
    while names[LVM] in suite.up():
        assert time.monotonic() - began < NOTICED, suite.tails()
        asked = time.monotonic()
        client.get('volumes/detail')
        client.ready_volume(1)
        seconds.append(time.monotonic() - asked)
        time.sleep(0.2)
        assert len(running(hangs.parent)) <= 1
    assert names[BACKEND] in suite.up()
    # Everybody else goes on as always meanwhile.
    assert sorted(seconds)[len(seconds) // 2] < 3, seconds
    log = suite.processes['volume'].log.read_text()
    assert f'Back end node1@{LVM} is down: ' in log
    assert f'cinder-volume on node1@{LVM} is down: ' in log
    assert 'lvs' in log.split(f'Back end node1@{LVM} is down: ')[1].split('\n')[0]
    told = {row['host']: row['disabled_reason'] for row in client.get('os-services')['services']}
    assert 'lvs' in told[f'node1@{LVM}'] and told[f'node1@{BACKEND}'] is None
    # It stays one process, however long it takes.
    time.sleep(HEARTBEAT + 10)
    assert len(running(hangs.parent)) == 1
    assert names[LVM] not in suite.up()
    hangs.unlink()
    processes.wait_until(lambda: names[LVM] in suite.up(), NOTICED,
                         lambda: f'the back end to come back\n{suite.tails()}')
    processes.wait_until(lambda: not running(hangs.parent), 5, 'lvs to end')
