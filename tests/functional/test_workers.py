# SPDX-License-Identifier: Apache-2.0
"""Workers of a daemon, which are processes of their own."""
import subprocess
import sys

import pytest

from cinder import concurrency

FORKING = '''
from cinder import concurrency
concurrency.use('{backend}')
import sys
from oslo_config import cfg
from oslo_service import service as oslo_service
from cinder.service import launchers

class Server(oslo_service.ServiceBase):
    def start(self):
        with launchers.starting('server'):
            raise {error}
    def stop(self):
        pass
    wait = reset = stop

launcher = launchers.process_launcher()
for workers in (2, 1):
    launcher.launch_service(Server(), workers=workers)
sys.exit(launcher.wait())
'''


@pytest.mark.parametrize('backend', concurrency.BACKENDS)
def test_workers_that_can_never_start_end_the_daemon(backend):
    done = subprocess.run(
        [sys.executable, '-c', FORKING.format(error='ValueError("no such x")', backend=backend)],
        capture_output=True, text=True, timeout=60, check=False, start_new_session=True)
    assert done.returncode == 1
    assert done.stderr.count('server cannot start: no such x') == 3, done.stderr
    assert 'Traceback' not in done.stderr
