# SPDX-License-Identifier: Apache-2.0
"""A lock that waiting threads get in turns: between classes of work, then between projects. The
executor of operations sets for which project a thread works; the users of the lock decide what it
protects."""
import contextlib
import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Party(NamedTuple):
    """The class of work and the project that a thread works for.

    :param kind: class of work; '' is work of the service itself, such as its reports
    :param project_id: id of the project
    """

    kind: str = ''
    project_id: str | None = None


class _Ticket(NamedTuple):
    number: int
    thread: int
    party: Party
    called: threading.Event


_OURSELVES = Party()
_party: contextvars.ContextVar[Party] = contextvars.ContextVar('party', default=_OURSELVES)


@contextlib.contextmanager
def working_for(kind: str, project_id: str | None) -> Iterator[None]:
    """Make the block wait for locks as work of that class and project."""
    token = _party.set(Party(kind, project_id))
    try:
        yield
    finally:
        _party.reset(token)


class FairLock:
    """A lock of one thread at a time; its holder may acquire it again.

    It goes to the class of work whose last turn is longest ago, within the class to such a project,
    and within the project to the thread that has waited longest. So however many threads of a class
    or project wait, others get the lock after one of them.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._holder: int | None = None
        self._depth = 0
        self._waiting: list[_Ticket] = []
        # Class of work or party -> number of its last turn, for those that wait for the lock or
        # hold it.
        self._served: dict[str | Party, int] = {}

    def acquire(self, timeout: float | None = None,
                go_on: Callable[[], bool] = lambda: False) -> bool:
        """Acquire the lock; return False after a timeout.

        :param timeout: seconds to wait; None: no limit
        :param go_on: called after each timeout; returns whether to wait as long again
        """
        thread = threading.get_ident()
        with self._guard:
            ticket = _Ticket(next(self._numbers), thread, _party.get(), threading.Event())
            if self._holder in (None, thread):
                self._give(ticket)
                return True
            self._waiting.append(ticket)
        try:
            while not ticket.called.wait(timeout):
                if not go_on():
                    # It may have got the lock meanwhile.
                    return not self._withdraw(ticket)
        except BaseException:
            if not self._withdraw(ticket):
                self.release()
            raise
        return True

    def release(self) -> None:
        """Release the lock to the thread that has the next turn."""
        with self._guard:
            self._depth -= 1
            if self._depth:
                return
            self._holder = None
            if self._waiting:
                ticket = min(self._waiting, key=self._order)
                self._waiting.remove(ticket)
                self._give(ticket)

    def _order(self, ticket: _Ticket) -> tuple[int, int, int]:
        return (self._served.get(ticket.party.kind, 0), self._served.get(ticket.party, 0),
                ticket.number)

    def _give(self, ticket: _Ticket) -> None:
        """Give the lock to a thread; the guard must be held."""
        self._holder, self._depth = ticket.thread, self._depth + 1
        self._served[ticket.party.kind] = self._served[ticket.party] = next(self._numbers)
        present = {ticket.party, ticket.party.kind}
        for each in self._waiting:
            present |= {each.party, each.party.kind}
        self._served = {key: self._served[key] for key in present & self._served.keys()}
        ticket.called.set()

    def _withdraw(self, ticket: _Ticket) -> bool:
        """Stop waiting; return False if the thread has got the lock already."""
        with self._guard:
            if waited := ticket in self._waiting:
                self._waiting.remove(ticket)
        return waited
