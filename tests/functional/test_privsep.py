# SPDX-License-Identifier: Apache-2.0
"""Commands through the privileged helpers as a service without root's rights runs them: real
privsep daemons, with each kind of threads that cinder-volume may have, and what each may do."""
import os
import subprocess
import sys

import pytest

from cinder import concurrency

SCRIPT = '''
from cinder import concurrency
concurrency.use('{backend}')
import os, pathlib, re, threading, time
from oslo_config import cfg
from oslo_privsep import priv_context
from cinder import privsep
from cinder.privsep import command, device_files
os.environ['TESTED_BY'] = str(os.getpid())
cfg.CONF([], project='cinder')
priv_context.init(root_helper=['env'])
for each in privsep.ENTRY_POINTS:
    each.context.set_client_mode(True)

def failure(*argv, **kwargs):
    try:
        return command.execute(*argv, run_as_root=True, **kwargs)
    except command.processutils.ProcessExecutionError as exc:
        return type(exc).__name__, exc.exit_code, exc.stderr

print(command.execute('ionice', '-p', '1', run_as_root=True)[0].strip() != '')
print(failure('dd', 'if=/no/such', 'of=/dev/null')[:2])
print(failure('rm', '/no/such')[1], failure('setpriv', 'rm', '/no/such')[1])
print(failure('no-such-lvs')[1], command.execute('lvs', '--version', run_as_root=True)[0] != '')

def bounding(*argv):
    text = command.execute(*argv, 'setpriv', '--dump', run_as_root=True)[0]
    return re.search('bounding set: (.*)', text)[1]

print(bounding(), bounding('ionice', '-c3'))

def effective(context):
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        words = path.read_text().split(chr(0)) if path.exists() else ()
        if f'cinder.privsep.{context}' in words and str(os.getpid()) == parent(path.parent):
            return int(re.search('CapEff:.(.*)', (path.parent / 'status').read_text())[1], 16)

def parent(folder):
    # The helper leaves its starter behind; what it inherited tells whose it is.
    return dict(line.split('=', 1) for line in (folder / 'environ').read_text().split(chr(0))
                if '=' in line).get('TESTED_BY')

print(effective('as_root_pctxt'), effective('sys_admin_pctxt') == sum(
    1 << number for number in privsep.LVM_CAPABILITIES))

def refuse(*_args):
    raise PermissionError

def opened():
    # As a service without rights, which gets the descriptor from the helper.
    path = next((str(each) for each in pathlib.Path('/dev').iterdir() if each.is_block_device()
                 and not failure('dd', f'if={each}', 'of=/dev/null', 'count=0')[0]), None)
    real, os.open = os.open, refuse
    try:
        found = os.fstat(device_files.open_file(path)) if path else None
    finally:
        os.open = real
    return found is None or found.st_rdev == os.stat(path).st_rdev

print(opened())
beats = []
def beat():
    while True:
        beats.append(1)
        time.sleep(0.01)
threading.Thread(target=beat, daemon=True).start()
slow = ('dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1M', 'count=3000000')
print(failure(*slow, timeout=0.3)[:2], len(beats) > 10)
'''


@pytest.mark.skipif(os.geteuid(), reason='needs root, which the helper has to have')
@pytest.mark.parametrize('backend', concurrency.BACKENDS)
def test_commands_through_the_helpers(backend):
    env = {**os.environ, 'PATH': os.path.dirname(sys.executable) + ':' + os.environ['PATH'],
           'PYTHONPATH': os.getcwd()}
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c',
                           SCRIPT.replace('{backend}', backend)], env=env, timeout=60,
                          capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        'True', "('ProcessExecutionError', 1)", '126 126', '126 True', '[none] sys_nice', '0 True',
        'True',
        "('CommandOverdue', -1) True"], done.stderr
