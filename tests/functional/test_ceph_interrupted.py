# SPDX-License-Identifier: Apache-2.0
"""Operations of RBDDriver in a process that is killed while a call of librbd is under way, at a
moment by chance, and repeated in another one. CEPH_FULL=1 kills each of them twenty times."""

import contextlib
import functools
import itertools
import json
import os
import random
import subprocess
import time
from unittest import mock

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
            again(ceph_cluster, getattr(operation, name))
            again(ceph_cluster, functools.partial(settled, operation, expected, moment))
            again(ceph_cluster, storage.clear)
    finally:
        again(ceph_cluster, storage.clear)


def again(cluster, work):
    """Repeat it, as the journal does: a client that was killed counts as a user for a while.

    An OSD may forget that of a client which was killed while it opened the image, and count it for
    ever (https://tracker.ceph.com/issues/58120), until it looks anew.

    :param work: raises VolumeIsBusy, or AssertionError once it has waited by itself
    """
    began, is_looked_at = time.monotonic(), False
    while True:
        try:
            work()
            return
        except (exception.VolumeIsBusy, AssertionError) as exc:
            has_waited = isinstance(exc, AssertionError)
            within = 0 if has_waited else exc.kwargs.get('passes_within', 0)
            if time.monotonic() - began > 2 * within:
                if is_looked_at or not (within or has_waited) or watchers(cluster):
                    raise
                cluster.ask({'prefix': 'osd down', 'ids': ['0']})
                cluster.wait_up()
                began, is_looked_at = time.monotonic(), True
            time.sleep(1)


# What the work meets while a client is counted, who the OSD says that has an image open, and
# whether it is made to look anew.
BUSY, LEFT = exception.VolumeIsBusy('one', passes_within=1), AssertionError('left')
HELD = [(BUSY, [], True), (LEFT, [], True), (BUSY, ['me'], False), (LEFT, ['me'], False),
        (exception.VolumeIsBusy('one'), [], False), (ValueError('one'), [], False)]


@pytest.mark.parametrize(('fault', 'known', 'is_looked_at'), HELD)
def test_an_osd_that_forgot_a_client_looks_anew(monkeypatch, fault, known, is_looked_at):
    looked, cluster = [], mock.Mock()
    cluster.ask.side_effect = looked.append

    def work():
        if not looked:
            raise fault
    passed = itertools.count()
    monkeypatch.setattr(f'{__name__}.watchers', lambda _cluster: known)
    monkeypatch.setattr(f'{__name__}.time', mock.Mock(monotonic=lambda: next(passed)))
    with contextlib.nullcontext() if is_looked_at else pytest.raises(type(fault)):
        again(cluster, work)
    assert len(looked) == is_looked_at


def watchers(cluster):
    """Return who has an image open as far as the OSD knows, beside what it has stored."""
    return json.loads(subprocess.run(
        ['ceph', 'daemon', str(cluster.folder / 'run' / 'osd.0.asok'), 'dump_watchers'],
        capture_output=True, text=True, check=True).stdout)


def settled(operation, expected, moment):
    """Remove what is left in the trash of the pool, as a service does from time to time, until
    there is what is expected. A client that was killed may have an image open there too."""
    deadline = time.monotonic() + 2 * trash.WATCH_TIMEOUT
    while True:
        operation.purge()
        state = operation.state()
        if state == expected:
            return
        assert time.monotonic() < deadline, (
            f'killed after {moment:.3f} s: {state} instead of {expected}')
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
