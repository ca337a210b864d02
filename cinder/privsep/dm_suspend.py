# SPDX-License-Identifier: Apache-2.0
"""Holds device-mapper devices still for a moment. A process of its own suspends them and resumes
them when its standard input ends: also when this service is killed. Brick decides which."""
import contextlib
import os
import re
import select
import uuid
from collections.abc import Iterator, Sequence

from oslo_concurrency import processutils

from cinder import privsep
from cinder.privsep import command

LONGEST = 30  # seconds that anybody's writes may wait
# Suspending waits for writes under way, which a full pool holds up for a minute.
TIMEOUT_SECONDS = 20.0

# One process does all three steps, so that nothing can be suspended after it was to be resumed.
# It outlives signals to our process group, and waits on a pipe whose other end no child of ours
# inherits. Without udev's cookies: where udev does not run, nobody would answer them.
_SCRIPT = '''
trap '' HUP INT TERM PIPE
seconds=$1; shift
if dmsetup suspend --noudevsync "$@" >/dev/null; then
    echo still
    exec >/dev/null
    timeout -s KILL "$seconds" cat
else
    false
fi
status=$?
for name; do dmsetup resume --noudevsync "$name" || status=$?; done
exit $status
'''
# How timeout(1) says that it killed.
_KILLED = 137
_NAME = re.compile(r'[A-Za-z0-9+_.][A-Za-z0-9+_.-]*')

_keepers: dict[str, command.Process] = {}


@contextlib.contextmanager
def frozen(names: Sequence[str], seconds: int = LONGEST) -> Iterator[None]:
    """Suspend devices for as long as the body runs; without names nothing happens.

    LVM may resume a device itself, when it has taken a snapshot of it.

    :param names: as in device mapper's table
    :param seconds: after so long they are resumed whatever happens
    :raises ProcessExecutionError: they could not be suspended, or not to the end of the body
    """
    if not names:
        yield
        return
    key = uuid.uuid4().hex
    why = _suspend(key, list(names), seconds)
    if why:
        raise processutils.ProcessExecutionError('', why, -1, 'dmsetup suspend')
    try:
        yield
    finally:
        code, why = _resume(key)
    if code:
        raise processutils.ProcessExecutionError('', why, code, 'dmsetup resume')


@privsep.sys_admin_pctxt.entrypoint
def _suspend(key, names, seconds):
    """:returns: why not, or ''"""
    if not all(map(_NAME.fullmatch, names)):
        return f'not names of devices: {names}'
    ready, told = os.pipe()
    try:
        keeper = command.start_script(_SCRIPT, 'keeper', str(seconds), *names,
                                      programs=('dmsetup',), output=told)
    finally:
        os.close(told)
    _keepers[key] = keeper
    try:
        # The keeper alone has the other end now: its end is told by an empty read.
        if select.select([ready], [], [], TIMEOUT_SECONDS)[0] and os.read(ready, 16):
            return ''
    finally:
        os.close(ready)
    _code, why = _resume_here(key)
    return why or 'it takes too long'


@privsep.sys_admin_pctxt.entrypoint
def _resume(key):
    """:returns: exit code of the keeper, 0 if it held them still all the time; what it said"""
    return _resume_here(key)


def _resume_here(key):
    done = command.finish(_keepers.pop(key), None, TIMEOUT_SECONDS)
    if done is None:
        return -1, 'the devices are not resumed yet'
    code, _out, err = done
    return code, 'they were to be still for too long' if code == _KILLED else err.strip()
