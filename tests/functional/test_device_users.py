# SPDX-License-Identifier: Apache-2.0
"""Which processes of this machine hold a device, as root's helper finds them."""
import os
import subprocess
import sys

import pytest

from cinder.privsep import device_users
from tests.unit.privsep.test_device_users import device  # noqa: F401


@pytest.mark.skipif(os.geteuid(), reason='needs root, to look at other processes without sudo')
def test_processes_are_named(device, monkeypatch):  # noqa: F811
    # It looks at all processes of a machine that may be busy.
    monkeypatch.setattr(device_users, 'TIMEOUT_SECONDS', 120)
    code = f'import os; fd = os.open({device!r}, os.O_PATH); print(1, flush=True); input()'
    with subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        name, = device_users.find_users(device)
        process.communicate(b'x')
    assert name.startswith('python') and name.endswith(f'(process {process.pid})')
    assert device_users.find_users(device) == []
