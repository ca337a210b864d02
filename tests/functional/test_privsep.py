# SPDX-License-Identifier: Apache-2.0
"""Commands through the privileged helper as a service without root's rights runs them: a real
privsep daemon, in a green process as cinder-volume is."""
import os
import subprocess
import sys

import pytest

SCRIPT = '''
import eventlet
eventlet.monkey_patch()
import os, time
from oslo_config import cfg
from oslo_privsep import priv_context
from cinder import privsep
from cinder.privsep import command
cfg.CONF([], project='cinder')
priv_context.init(root_helper=['env'])
privsep.sys_admin_pctxt.set_client_mode(True)

def failure(*argv, **kwargs):
    try:
        return command.execute(*argv, run_as_root=True, **kwargs)
    except command.processutils.ProcessExecutionError as exc:
        return type(exc).__name__, exc.exit_code, exc.stderr

print(command.execute('ionice', '-p', '1', run_as_root=True)[0].strip() != '')
print(failure('dd', 'if=/no/such', 'of=/dev/null')[:2])
print(failure('rm', '/no/such')[1])
beats = []
def beat():
    while True:
        beats.append(1)
        eventlet.sleep(0.01)
eventlet.spawn(beat)
slow = ('dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1M', 'count=3000000')
print(failure(*slow, timeout=0.3)[:2], len(beats) > 10)
'''


@pytest.mark.skipif(os.geteuid(), reason='needs root, which the helper has to have')
def test_commands_through_the_helper():
    env = {**os.environ, 'PATH': os.path.dirname(sys.executable) + ':' + os.environ['PATH'],
           'PYTHONPATH': os.getcwd()}
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', SCRIPT], env=env, timeout=60,
                          capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        'True', "('ProcessExecutionError', 1)", '126', "('CommandOverdue', -1) True"], done.stderr
