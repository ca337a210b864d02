# SPDX-License-Identifier: Apache-2.0
"""Small functions that belong nowhere else; imports no module of cinder but exception."""
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
    """Return the dictionary that a client wrote as a Python literal, or None when the text is not
    one."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arm_fault_points(entries: Iterable[str]) -> None:
    """Arm the named fault points, for tests only.

    :param entries: texts 'NAME=ACTION[:ARGUMENT][@FLAGFILE]' with the actions kill, stop (until
        SIGCONT), raise, delay (ARGUMENT in seconds) and duplicate (messages). With a flag file a
        point fires only if it can remove that file, so it fires once, even after a restart of the
        process.
    :raises InvalidConfigurationValue: an entry does not have that form.
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
    """Return whether the point is armed, and remove its flag file if it has one."""
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
    """Mark a place where tests may kill, fail or delay this process; it costs one lookup otherwise.
    """
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
    """Mark the fault points NAME:before and NAME:after around a step."""
    fault_point(name + ':before')
    yield
    fault_point(name + ':after')


_PASSWORD_IN_URL = re.compile(r'(?<=//)([^/\s:@]*):[^/\s]+@')


def masked(text: object) -> str:
    """Return a text for logs and messages, without the passwords in it and in its URLs."""
    return str(strutils.mask_password(_PASSWORD_IN_URL.sub(r'\1:***@', str(text))))


def without_user(url: str) -> str:
    """Return a URL for logs and messages, without user, password and query, even if it is
    malformed."""
    before, _, after = url.rpartition('@')
    scheme = before.partition('://')[0] + '://' if '://' in before else ''
    return (f'{scheme}***@' if before else '') + after.partition('?')[0]


def no_pass_phrase() -> str:
    """Raise an error in place of the terminal prompt of OpenSSL."""
    raise ValueError('the key is encrypted; a daemon cannot ask for the pass phrase; use a key '
                     'without one')


_SECRET_IN_QUERY = re.compile(r'([?&][^=&\s]*(?:token|passw|secret|auth_key)[^=&\s]*=)[^&\s]*',
                              re.IGNORECASE)


def printable(text: str) -> str:
    """Return a text from a client for the log, with control characters escaped, so that it cannot
    start a new log line."""
    if text.isprintable():
        return text
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def loggable_url(text: str) -> str:
    """Return the path and query of a request for the log, without the secrets in the query."""
    return printable(_SECRET_IN_QUERY.sub(r'\1***', text))


# The texts of these exceptions are complete; others need the name and the place of the exception.
_SPEAKING = (OSError, ImportError, RuntimeError, ValueError, exception.CinderException)


def one_line(exc: BaseException) -> str:
    """Return the text of an exception in one line and without passwords. Exceptions outside of
    _SPEAKING also get their class and place."""
    text = masked(' '.join(str(exc).split()))
    if type(exc).__module__ != 'builtins' or isinstance(exc, _SPEAKING):
        return text or type(exc).__name__
    place = ''
    frames = traceback.extract_tb(exc.__traceback__)
    if frames:
        place = f' ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})'
    return f'{type(exc).__name__}: {text}{place}'


def log_failure(log: logging.Logger, text: str, *args: object) -> None:
    """Log the exception that is being handled, with its traceback. A service that is unavailable is
    a warning without traceback; trouble with the database was logged by cinder.db.session."""
    exc = sys.exc_info()[1]
    if isinstance(exc, exception.DatabaseTrouble):
        log.debug(text, *args, exc_info=True)
    elif isinstance(exc, exception.ServiceUnavailable):
        log.warning(f'{text} %s', *args, one_line(exc))
    else:
        log.exception(text, *args)


def load_class(option: str, path: str) -> type:
    """Return the class that an option names.

    :raises InvalidConfigurationValue: there is no class of that name, or its module cannot be
        imported.
    """
    try:
        found: type = importutils.import_class(path)
        return found
    except Exception as exc:  # a module can fail in any way
        raise exception.InvalidConfigurationValue(
            f'{option} = {path} cannot be loaded: {one_line(exc)}; expected MODULE.CLASS') from exc


def time_text(moment: datetime.datetime) -> str:
    """Return a time for people, always with six digits after the point."""
    return moment.isoformat(' ', 'microseconds')


def backend_of(host: str | None) -> str | None:
    """Return 'host@backend' of 'host@backend#pool'."""
    return host.partition('#')[0] if host else host


def pool_of(host: str | None) -> str | None:
    """Return 'pool' of 'host@backend#pool', or None when no pool is named."""
    return (host or '').partition('#')[2] or None


def machine_id() -> str:
    """Return the unique name of this machine: its host name and boot id."""
    with open('/proc/sys/kernel/random/boot_id') as file:
        return f'{socket.gethostname()}/{file.read().strip()}'
