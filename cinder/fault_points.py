# SPDX-License-Identifier: Apache-2.0
"""Fault points: named places where tests stop, kill, fail or delay a process. In production none is
armed, and each one costs one lookup."""
import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator

from cinder import exception

# name -> (action, argument, flag file) of each entry; empty in production, see arm().
_FAULTS: dict[str, list[tuple[str, str, str]]] = {}
_SIGNALS = {'kill': signal.SIGKILL, 'stop': signal.SIGSTOP}


def arm(entries: Iterable[str]) -> None:
    """Arm the named fault points, for tests only.

    :param entries: texts 'NAME=ACTION[:ARGUMENT][@FLAGFILE]' with the actions kill, stop (until
        SIGCONT), raise, delay (ARGUMENT in seconds) and duplicate (messages). With a flag file a
        point fires only if it can remove that file, so it fires once, even after a restart of the
        process. Of several entries of one point, the first that can fire does.
    :raises InvalidConfigurationValue: an entry does not have that form.
    """
    _FAULTS.clear()
    for entry in entries:
        name, _, what = entry.partition('=')
        what, _, flag = what.partition('@')
        action, _, argument = what.partition(':')
        if not name or action not in (*_SIGNALS, 'raise', 'delay', 'duplicate'):
            raise exception.InvalidConfigurationValue(option='fault_points', value=entry)
        _FAULTS.setdefault(name, []).append((action, argument, flag))


def is_armed(name: str) -> bool:
    """Return whether the point is armed, and remove its flag file if it has one."""
    return _fire(name) is not None


def _fire(name: str) -> tuple[str, str] | None:
    """Return the action and the argument of the first entry that fires."""
    for action, argument, flag in _FAULTS.get(name, ()):
        try:
            if flag:
                os.unlink(flag)
        except FileNotFoundError:
            continue
        return action, argument
    return None


def reach(name: str) -> None:
    """Mark a place where tests may kill, fail or delay this process; it costs one lookup otherwise.
    """
    fault = _fire(name) if _FAULTS else None
    if fault is None:
        return
    action, argument = fault
    if action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[action])
    elif action == 'delay':
        time.sleep(float(argument or 1))
    elif action == 'raise':
        raise exception.CinderException(f'fault point {name}')


@contextlib.contextmanager
def around(name: str) -> Iterator[None]:
    """Mark the fault points NAME:before and NAME:after around a step."""
    reach(name + ':before')
    yield
    reach(name + ':after')
