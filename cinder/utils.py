# SPDX-License-Identifier: Apache-2.0
"""Last resort for small things that have no other home; imports nothing of cinder but exception."""
import ast
import contextlib
import datetime
import logging
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from oslo_utils import importutils, strutils

from cinder import exception

# name -> (action, argument, flag file); empty in production, see arm_fault_points().
_FAULTS: dict[str, tuple[str, str, str]] = {}
_SIGNALS = {'kill': signal.SIGKILL, 'stop': signal.SIGSTOP}


def literal_dict(text: str) -> dict[Any, Any] | None:
    """The dictionary that a client wrote as a Python literal, or None when it is none."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arm_fault_points(entries: Iterable[str]) -> None:
    """Arm the named fault points, for tests only.

    :param entries: texts 'NAME=ACTION[:ARGUMENT][@FLAGFILE]' with the actions kill, stop (until
        SIGCONT), raise, delay (ARGUMENT in seconds) and duplicate (messages). With a flag file a
        point fires only while it can remove that file, so it fires once, also over a restart of
        the process.
    :raises InvalidConfigurationValue: an entry that is not of that form.
    """
    _FAULTS.clear()
    for entry in entries:
        name, _, what = entry.partition('=')
        what, _, flag = what.partition('@')
        action, _, argument = what.partition(':')
        if not name or action not in (*_SIGNALS, 'raise', 'delay', 'duplicate'):
            raise exception.InvalidConfigurationValue(option='fault_points', value=entry)
        _FAULTS[name] = (action, argument, flag)


def fault_armed(name: str) -> bool:
    """Whether the point is armed; its flag file, when it has one, is used up by asking."""
    if name not in _FAULTS:
        return False
    flag = _FAULTS[name][2]
    if not flag:
        return True
    try:
        os.unlink(flag)
    except FileNotFoundError:
        return False
    return True


def fault_point(name: str) -> None:
    """A place where tests may kill, fail or delay this process; costs one lookup otherwise."""
    if not _FAULTS or not fault_armed(name):
        return
    action, argument, _flag = _FAULTS[name]
    if action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[action])
    elif action == 'delay':
        time.sleep(float(argument or 1))
    elif action == 'raise':
        raise exception.CinderException(f'fault point {name}')


@contextlib.contextmanager
def fault_points(name: str) -> Iterator[None]:
    """The fault points NAME:before and NAME:after around a step."""
    fault_point(name + ':before')
    yield
    fault_point(name + ':after')


_PASSWORD_IN_URL = re.compile(r'(?<=//)([^/\s:@]*):[^/\s]+@')


def masked(text: object) -> str:
    """A text of a library for people, without the passwords in it and in its URLs."""
    return str(strutils.mask_password(_PASSWORD_IN_URL.sub(r'\1:***@', str(text))))


def without_user(url: str) -> str:
    """A URL for people, without user, password and query, also where these make it none."""
    before, _, after = url.rpartition('@')
    scheme = before.partition('://')[0] + '://' if '://' in before else ''
    return (f'{scheme}***@' if before else '') + after.partition('?')[0]


def no_pass_phrase() -> str:
    """What OpenSSL calls in place of asking on the terminal."""
    raise ValueError('the key is encrypted; a daemon has nobody to ask for the pass phrase')


_SECRET_IN_QUERY = re.compile(r'([?&][^=&\s]*(?:token|passw|secret|auth_key)[^=&\s]*=)[^&\s]*',
                              re.IGNORECASE)


def printable(text: str) -> str:
    """A text of a stranger for the log, where nobody else may begin a line."""
    if text.isprintable():
        return text
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def loggable_url(text: str) -> str:
    """Path and query of a request as it was sent, without the secrets in its query."""
    return printable(_SECRET_IN_QUERY.sub(r'\1***', text))


# What these say is meant for people; any other exception says little without its name and place.
_SPEAKING = (OSError, ImportError, RuntimeError, ValueError, exception.CinderException)


def one_line(exc: BaseException) -> str:
    """What an exception says, in one line and without passwords; of a kind that is not meant for
    people, also what it is and where it was raised."""
    text = masked(' '.join(str(exc).split()))
    if type(exc).__module__ != 'builtins' or isinstance(exc, _SPEAKING):
        return text or type(exc).__name__
    place = ''
    frames = traceback.extract_tb(exc.__traceback__)
    if frames:
        place = f' ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})'
    return f'{type(exc).__name__}: {text}{place}'


def log_failure(log: logging.Logger, text: str, *args: object) -> None:
    """Log the exception that is being handled: with its traceback, which tells where the fault is,
    unless somebody else is away; of the database, cinder.db.session has told already."""
    exc = sys.exc_info()[1]
    if isinstance(exc, exception.DatabaseTrouble):
        log.debug(text, *args, exc_info=True)
    elif isinstance(exc, exception.ServiceUnavailable):
        log.warning(f'{text} %s', *args, one_line(exc))
    else:
        log.exception(text, *args)


def load_class(option: str, path: str) -> type:
    """The class that an option names.

    :raises InvalidConfigurationValue: there is none of that name, or its module is broken.
    """
    try:
        found: type = importutils.import_class(path)
        return found
    except Exception as exc:  # a module can fail in any way
        raise exception.InvalidConfigurationValue(
            f'{option} = {path} cannot be loaded: {one_line(exc)}; expected MODULE.CLASS') from exc


def time_text(moment: datetime.datetime) -> str:
    """A time as people read it, always with six digits after the point."""
    return moment.isoformat(' ', 'microseconds')


def backend_of(host: str | None) -> str | None:
    """'host@backend' of 'host@backend#pool'."""
    return host.partition('#')[0] if host else host


def pool_of(host: str | None) -> str | None:
    """'pool' of 'host@backend#pool', or None where no pool is named."""
    return (host or '').partition('#')[2] or None


def machine_id() -> str:
    """What names this machine, with its view of the file system, among all others."""
    with open('/proc/sys/kernel/random/boot_id') as file:
        return f'{socket.gethostname()}/{file.read().strip()}'
