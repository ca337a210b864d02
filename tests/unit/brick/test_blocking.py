# SPDX-License-Identifier: Apache-2.0
"""Native calls: direct in a plain process; beside the event loop in a green one, and copies beside
short calls."""
import subprocess
import sys
import threading

import pytest

from cinder.brick import blocking

GREEN = '''
import eventlet
eventlet.monkey_patch()
from eventlet import patcher
from cinder.brick import blocking
beats = []
def beat():
    while True:
        beats.append(1)
        eventlet.sleep(0.01)
eventlet.spawn(beat)
sleep = patcher.original('time').sleep
for kind in (blocking.call, blocking.piece, blocking.copy):
    assert kind(lambda word: sleep(0.1) or word, 'done') == 'done'
    try:
        kind(open, '/no/such/file')
    except FileNotFoundError as exc:
        print(exc.errno)
print('beats' if len(beats) > 12 else 'stopped')

gate, begun = patcher.original('threading').Event(), []
copies = [
    eventlet.spawn(blocking.copy, lambda: begun.append(1) or gate.wait(20)) for _ in range(40)]
pieces = [eventlet.spawn(blocking.piece, gate.wait, 20) for _ in range(40)]
while len(begun) < 40:
    eventlet.sleep(0.01)
for _ in range(20):
    blocking.call(len, '')
print('at once')
gate.set()
print(all(thread.wait() for thread in copies + pieces))
'''


@pytest.mark.parametrize('kind', [blocking.call, blocking.piece, blocking.copy])
def test_a_plain_process_calls_directly(kind):
    assert kind(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        kind(divmod, 1, 0)


def test_a_green_process_goes_on_meanwhile_with_short_calls_too():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', GREEN], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.stdout.split('\n') == ['2'] * 3 + ['beats', 'at once', 'True', ''], done
