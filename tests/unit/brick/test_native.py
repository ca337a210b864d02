# SPDX-License-Identifier: Apache-2.0
"""native.call: direct in a plain process; beside the event loop in a green one."""
import subprocess
import sys
import threading

import pytest

from cinder.brick import native

GREEN = '''
import eventlet
eventlet.monkey_patch()
import time
from eventlet import patcher
from cinder.brick import native
beats = []
def beat():
    while True:
        beats.append(1)
        eventlet.sleep(0.01)
eventlet.spawn(beat)
assert native.call(lambda word: patcher.original('time').sleep(0.2) or word, 'done') == 'done'
try:
    native.call(open, '/no/such/file')
except FileNotFoundError:
    print('beats' if len(beats) > 8 else 'stopped')
'''


def test_a_plain_process_calls_directly():
    assert native.call(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        native.call(divmod, 1, 0)


def test_a_green_process_goes_on_meanwhile():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', GREEN], capture_output=True,
                          text=True, check=False)
    assert done.stdout == 'beats\n', done.stderr
