# SPDX-License-Identifier: Apache-2.0
"""Work on operations waits for nobody without a limit: it goes back to the journal. Each place that
sleeps, or waits for as long as it takes, is named here with the reason why it may."""
import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3] / 'cinder'
# What handlers run, from their own files down to the commands.
PLACES = ('operations', 'volume/manager', 'volume/drivers', 'volume/targets', 'brick', 'image',
          'compute.py', 'coordination', 'privsep')
# Name of a call -> the positional argument that limits it; None: it always waits.
# wait_* are tenacity's.
LIMITED = {'sleep': None, 'wait_exponential': None, 'wait_fixed': None, 'wait_random': None,
           'wait': 0, 'wait_for': 1, 'join': 0, 'acquire': 1, 'result': 0,
           'communicate': 1, 'lock': 1, 'shared': 1}
LIMITS = {'timeout', 'blocking', 'seconds'}
# Place -> why it may.
ALLOWED = {
    'brick/ceph/cluster.py sleep': 'between attempts to connect, as often as an option says',
    'brick/local_dev/snapshot_merge.py sleep': 'a merge takes as long as it takes, like a copy',
    'brick/local_dev/throttle.py sleep': 'a copy is as slow as the operator wants it',
    'brick/local_dev/device_mapper.py sleep':
        'between tries for the metadata of a pool, for a minute at most; a message waits for it',
    'privsep/thin_metadata.py sleep': 'for no time: it lets other green threads run',
    'image/glance.py wait_exponential': 'between the tries of one request, for a minute at most',
    'image/image_stream.py join': 'of a thread that hashes a few chunks',
    'coordination/__init__.py sleep': 'start-up of a process; no operation runs yet',
    'coordination/leases.py sleep': 'between tries of a lock, within the time of who asks for it',
    'privsep/command.py communicate': 'of a process that was killed',
    'privsep/device_users.py communicate': 'of a process that was killed',
    'volume/manager/__init__.py wait': 'the stop of a service, which others limit',
}


def waits(tree):
    """(line, name) of each call that may wait for as long as it takes."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(
            node.func, 'id', None)
        if name not in LIMITED or _is_other(node.func):
            continue
        limit = LIMITED[name]
        given = {keyword.arg for keyword in node.keywords} & LIMITS
        if limit is None or not given and len(node.args) <= limit:
            yield node.lineno, name


def _is_other(func):
    """Whether it is str.join() or os.path.join(), or a lock that is no Coordinator's."""
    owner = getattr(func, 'value', None)
    if getattr(func, 'attr', None) in ('lock', 'shared'):
        return getattr(owner, 'id', None) != 'coordination'
    return isinstance(owner, (ast.Constant, ast.JoinedStr)) or (
        isinstance(owner, ast.Attribute) and owner.attr == 'path')


def _files():
    for place in PLACES:
        path = ROOT / place
        yield from [path] if path.is_file() else sorted(path.rglob('*.py'))


def test_nothing_that_operations_run_waits_without_a_limit():
    found = {}
    for path in _files():
        for line, name in waits(ast.parse(path.read_text())):
            found.setdefault(f'{path.relative_to(ROOT)} {name}', []).append(line)
    assert set(found) == set(ALLOWED), found


@pytest.mark.parametrize(('text', 'name'), [
    ('time.sleep(1)', 'sleep'), ('sleep(1)', 'sleep'), ('event.wait()', 'wait'),
    ('thread.join()', 'join'), ('coordination.lock(name)', 'lock'),
    ('mutex.acquire()', 'acquire'), ('process.communicate(data)', 'communicate'),
    ('event.wait(3)', None), ('coordination.lock(name, timeout=5)', None), ("', '.join(x)", None),
    ('mutex.acquire(blocking=False)', None), ('os.path.join(a, b)', None)])
def test_what_counts_as_waiting(text, name):
    assert [found for _line, found in waits(ast.parse(text))] == ([name] if name else [])
