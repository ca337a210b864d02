# SPDX-License-Identifier: Apache-2.0
"""Suspends device-mapper devices for a moment. A separate process suspends them, and resumes them
when its standard input ends, so also when this service is killed. Brick decides which devices."""
import contextlib
import os
import re
import select
import uuid
from collections.abc import Iterator, Sequence

from oslo_concurrency import processutils

from cinder import privsep
from cinder.privsep import command

LONGEST = 30  # seconds for which writes may be suspended
# Suspend waits for writes in progress, which a full pool delays for a minute.
TIMEOUT_SECONDS = 20.0

# One process does all three steps, so that no device can be suspended after the time to resume it.
# The process ignores signals to our process group, and waits on a pipe whose other end no child of
# ours inherits. It does not use udev cookies, which nothing would answer if udev is not running.
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
# Exit code of timeout(1) when it killed the program.
_KILLED = 137
_NAME = re.compile(r'[A-Za-z0-9+_.][A-Za-z0-9+_.-]*')

_keepers: dict[str, command.Process] = {}


@contextlib.contextmanager
def frozen(names: Sequence[str], seconds: int = LONGEST) -> Iterator[None]:
    """Suspend devices while the body runs; without names, do nothing.

    LVM may resume a device itself, after it has created a snapshot of it.

    :param names: names in device mapper
    :param seconds: time after which the devices are resumed in any case
    :raises ProcessExecutionError: they could not be suspended, or not until the end of the body
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
def _suspend(key: str, names: list[str], seconds: int) -> str:
    """:returns: the reason of a failure, or ''"""
    if not all(map(_NAME.fullmatch, names)):
        return f'invalid names of devices: {names}'
    ready, writer = os.pipe()
    try:
        keeper = command.start_script(_SCRIPT, 'keeper', str(seconds), *names,
                                      programs=('dmsetup',), output=writer)
    finally:
        os.close(writer)
    _keepers[key] = keeper
    try:
        # Only the keeper has the other end now: its end is visible as an empty read.
        if select.select([ready], [], [], TIMEOUT_SECONDS)[0] and os.read(ready, 16):
            return ''
    finally:
        os.close(ready)
    _code, why = _resume_here(key)
    return why or f'no result within {TIMEOUT_SECONDS:.0f} s'


@privsep.sys_admin_pctxt.entrypoint
def _resume(key: str) -> tuple[int, str]:
    """:returns: exit code of the keeper, 0 if the devices were suspended all the time; its errors
    """
    return _resume_here(key)


def _resume_here(key: str) -> tuple[int, str]:
    done = command.finish(_keepers.pop(key), None, TIMEOUT_SECONDS)
    if done is None:
        return -1, f'the devices were not resumed within {TIMEOUT_SECONDS:.0f} s'
    code, _out, err = done
    return code, 'they were suspended for too long' if code == _KILLED else err.strip()
