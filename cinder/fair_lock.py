# SPDX-License-Identifier: Apache-2.0
"""A lock whose waiting threads get it in turns: between classes of work, then between projects. The
executor of operations says for whom a thread works; what is locked, the users of the lock know."""
import contextlib
import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Party(NamedTuple):
    """For whom a thread works.

    :param kind: class of work; '' is the service's own, such as its reports
    :param project_id: whose work it is
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
    """Have the block wait for locks as work of that class and project."""
    token = _party.set(Party(kind, project_id))
    try:
        yield
    finally:
        _party.reset(token)


class FairLock:
    """One thread has it at a time, and may take it again while it has it.

    It goes to the class of work that had it longest ago, of its projects to the one that had it
    longest ago, and there to the thread that has waited longest. So however many threads of a class
    or a project wait, those of others get it after one of them.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._holder: int | None = None
        self._depth = 0
        self._waiting: list[_Ticket] = []
        # Class of work or party -> number of its last turn; only of those that wait or hold it.
        self._served: dict[str | Party, int] = {}

    def acquire(self, timeout: float | None = None,
                go_on: Callable[[], bool] = lambda: False) -> bool:
        """Take it; whether that was possible.

        :param timeout: seconds to wait; None: for ever
        :param go_on: asked after so many seconds, whether to wait as long again
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
                    # It may have been called meanwhile.
                    return not self._withdraw(ticket)
        except BaseException:
            if not self._withdraw(ticket):
                self.release()
            raise
        return True

    def release(self) -> None:
        """Give it back, to the thread whose turn it is."""
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
        """Under the guard."""
        self._holder, self._depth = ticket.thread, self._depth + 1
        self._served[ticket.party.kind] = self._served[ticket.party] = next(self._numbers)
        present = {ticket.party, ticket.party.kind}
        for each in self._waiting:
            present |= {each.party, each.party.kind}
        self._served = {key: self._served[key] for key in present & self._served.keys()}
        ticket.called.set()

    def _withdraw(self, ticket: _Ticket) -> bool:
        """Whether it waited until now."""
        with self._guard:
            if waited := ticket in self._waiting:
                self._waiting.remove(ticket)
        return waited
