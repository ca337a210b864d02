# SPDX-License-Identifier: Apache-2.0
"""Operations of RBDDriver in a process that is killed while a call of librbd is under way, at a
moment by chance, and repeated in another one. CEPH_FULL=1 kills each of them twenty times."""

import json
import os
import random
import subprocess
import time

import pytest

from cinder import exception
from cinder.brick.ceph import trash
from tests import rbd_operation, rbd_storage
from tests.functional import ceph

FULL = bool(os.environ.get('CEPH_FULL'))
TIMES = 20 if FULL else 1
SHORT = ['from_snapshot', 'delete_both', 'manage']
CODE = 'import sys; from tests import rbd_operation; rbd_operation.main(sys.argv[1])'


@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize('name', rbd_operation.NAMES if FULL else SHORT)
def test_killed_within_a_call(ceph_cluster, clean, name):
    options = ceph.options(ceph_cluster, 'contract')
    storage = rbd_storage.RBDStorage(**options)
    try:
        expected, took = whole(storage, name)
        for _number in range(TIMES):
            operation = rbd_operation.Operation(storage).prepare()
            moment = random.uniform(0, took)
            killed(clean, options, name, operation, moment)
            again(ceph_cluster, operation, name)
            assert settled(operation, expected) == expected, (
                f'killed after {moment:.3f} of {took:.3f} s')
            storage.clear()
    finally:
        storage.clear()


def again(cluster, operation, name):
    """Repeat it, as the journal does: a client that was killed counts as a user for a while.

    An OSD may forget that of a client which was killed while it opened the image, and count it for
    ever (https://tracker.ceph.com/issues/58120), until it looks anew.
    """
    began, is_looked_at = time.monotonic(), False
    while True:
        try:
            getattr(operation, name)()
            return
        except exception.VolumeIsBusy as exc:
            if time.monotonic() - began > 2 * exc.kwargs.get('passes_within', 0):
                if is_looked_at or not exc.kwargs.get('passes_within') or watchers(cluster):
                    raise
                cluster.ask({'prefix': 'osd down', 'ids': ['0']})
                cluster.wait_up()
                began, is_looked_at = time.monotonic(), True
            time.sleep(1)


def watchers(cluster):
    """Return who has an image open as far as the OSD knows, beside what it has stored."""
    return json.loads(subprocess.run(
        ['ceph', 'daemon', str(cluster.folder / 'run' / 'osd.0.asok'), 'dump_watchers'],
        capture_output=True, text=True, check=True).stdout)


def settled(operation, expected):
    """Remove what is left in the trash of the pool, as a service does from time to time; return
    what there is then. A client that was killed may have an image open there too."""
    deadline = time.monotonic() + 2 * trash.WATCH_TIMEOUT
    while True:
        operation.purge()
        state = operation.state()
        if state == expected or time.monotonic() > deadline:
            return state
        time.sleep(1)


def whole(storage, name):
    """Run it to its end; return what there is then, and how long it took."""
    operation = rbd_operation.Operation(storage).prepare()
    began = time.monotonic()
    getattr(operation, name)()
    took = time.monotonic() - began
    state = operation.state()
    storage.clear()
    return state, took


def killed(clean, options, name, operation, moment):
    """Run it in a process of its own, which is killed after so many seconds."""
    argument = json.dumps([options, name, operation.names()])
    with clean.start(CODE, argument) as process:
        ready = process.stdout.readline()
        assert ready == 'ready\n', process.stderr.read()
        time.sleep(moment)
        process.kill()
