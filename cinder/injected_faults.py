# SPDX-License-Identifier: Apache-2.0
"""Faults that a developer of a client asks for: operations that are slow, fail or never end, and
requests that are refused or whose replies are lost. They belong to this process, which is
cinder-all with [DEFAULT] fault_injection; anywhere else there are none, and each place costs one
lookup. fault_points.py is for the tests of this service itself."""
import dataclasses
import fnmatch
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cinder import exception
from cinder.i18n import _

FAIL, SLOW, STUCK, LOSE_REPLY = ACTIONS = ('fail', 'slow', 'stuck', 'lose_reply')
# Of a request, which has no journal in which it could wait for ever.
OF_REQUESTS = (FAIL, SLOW, LOSE_REPLY)
LONGEST_SECONDS = 86400
# Seconds between two looks whether a fault is still there.
_PAUSE = 0.02
_FIELDS = {'verb': str, 'request': str, 'action': str, 'seconds': (int, float), 'times': int,
           'status': int, 'message': str}


@dataclasses.dataclass
class Fault:
    """A fault.

    :ivar verb: pattern of the verbs of operations, such as 'volume.create' or 'snapshot.*'
    :ivar request: pattern of 'METHOD path' below the project, such as 'POST volumes'; a fault has
        either this or a verb
    :ivar seconds: how long it makes something slow
    :ivar times: how many times it still happens; None: until it is removed
    :ivar status: HTTP status of a request that fails
    :ivar message: reason of a failure, as users see it
    """

    verb: str | None
    request: str | None
    action: str
    seconds: float
    times: int | None
    status: int
    message: str
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))


_guard = threading.Lock()
_faults: dict[str, Fault] = {}


def add(wanted: Mapping[str, Any]) -> Fault:
    """Add a fault.

    :param wanted: the fields of Fault without the id; `action` and one of `verb` and `request` are
        needed
    :raises InvalidInput: names the field that is wrong
    """
    for name, value in wanted.items():
        if name not in _FIELDS:
            raise exception.InvalidInput(reason=_('a fault has no field %(name)s; it has %(all)s')
                                         % {'name': name, 'all': ', '.join(_FIELDS)})
        if not isinstance(value, _FIELDS[name]) or isinstance(value, bool):
            raise exception.InvalidInput(reason=_('%(name)s = %(value)r has the wrong type') % {
                'name': name, 'value': value})
    fault = Fault(**{'verb': None, 'request': None, 'action': '', 'seconds': 1.0, 'times': None,
                     'status': 503, 'message': 'a fault was injected', **wanted})
    _check(fault)
    with _guard:
        _faults[fault.id] = fault
    return fault


def _check(fault: Fault) -> None:
    if bool(fault.verb) == bool(fault.request):
        raise exception.InvalidInput(reason=_('a fault needs either verb or request'))
    allowed = ACTIONS if fault.verb else OF_REQUESTS
    for name, good, expected in (
            ('action', fault.action in allowed, ', '.join(allowed)),
            ('seconds', 0 <= fault.seconds <= LONGEST_SECONDS, f'0 to {LONGEST_SECONDS}'),
            ('times', fault.times is None or fault.times > 0, _('a number above 0')),
            ('status', 400 <= fault.status <= 599, '400 to 599')):
        if not good:
            raise exception.InvalidInput(reason=_(
                '%(name)s = %(value)r is not allowed; expected: %(expected)s') % {
                    'name': name, 'value': getattr(fault, name), 'expected': expected})


def list_all() -> list[Fault]:
    """Return the faults that are there, in the order in which they were added."""
    with _guard:
        return list(_faults.values())


def remove(ident: str | None = None) -> bool:
    """Remove a fault, or all; what is stuck goes on. Return whether there was one."""
    with _guard:
        if ident is None:
            found = bool(_faults)
            _faults.clear()
            return found
        return _faults.pop(ident, None) is not None


def _take(matches: Callable[[Fault], bool], actions: Iterable[str]) -> Fault | None:
    """Return the first fault that matches; it counts as having happened."""
    if not _faults:
        return None
    with _guard:
        for fault in _faults.values():
            if fault.action in actions and matches(fault):
                if fault.times is not None:
                    fault.times -= 1
                    # What is stuck stays so until the fault is removed.
                    if not fault.times and fault.action != STUCK:
                        del _faults[fault.id]
                return fault
    return None


def meet_operation(verb: str, check: Callable[[], None] = lambda: None) -> None:
    """Meet the fault of a verb, where its work begins.

    :param check: raises an error if the operation must not go on, while it is stuck
    :raises InjectedFault: the operation fails
    """
    fault = _take(lambda each: _is_of_verb(each, verb) and each.times != 0, (FAIL, SLOW, STUCK))
    if fault is None:
        return
    if fault.action == FAIL:
        raise exception.InjectedFault(reason=fault.message)
    until = time.monotonic() + fault.seconds if fault.action == SLOW else float('inf')
    while time.monotonic() < until and (fault.action == SLOW or fault.id in _faults):
        check()
        time.sleep(_PAUSE)


def meet_request(method: str, path: str) -> None:
    """Meet the fault of a request, before it is handled.

    :raises InjectedRefusal: the request is refused
    """
    fault = _take(lambda each: _is_of_request(each, method, path), (FAIL, SLOW))
    if fault is None:
        return
    if fault.action == FAIL:
        raise exception.InjectedRefusal(fault.status, fault.message)
    time.sleep(fault.seconds)


def loses_reply(method: str, path: str, verbs: Iterable[str]) -> bool:
    """Return whether the reply to a request is lost.

    :param verbs: of the operations that it has started
    """
    verbs = list(verbs)
    return _take(lambda each: _is_of_request(each, method, path)
                 or any(_is_of_verb(each, verb) for verb in verbs), (LOSE_REPLY,)) is not None


def are_there() -> bool:
    """Return whether this process has any fault."""
    return bool(_faults)


def _is_of_verb(fault: Fault, verb: str) -> bool:
    return fault.verb is not None and fnmatch.fnmatchcase(verb, fault.verb)


def _is_of_request(fault: Fault, method: str, path: str) -> bool:
    return fault.request is not None and fnmatch.fnmatchcase(f'{method} {path}', fault.request)
