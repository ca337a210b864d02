# SPDX-License-Identifier: Apache-2.0
"""Calls: messages whose sender waits for the answer. Limits how many run at a time, and how many of
them for one project; limits how long each one waits for a resource; and tells which errors go to
the sender without a traceback in the log."""
import collections
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import oslo_messaging as messaging

from cinder import context, coordination, exception, fair_lock
from cinder.rpc import base as rpc

# Half of the RPC threads: the other half accepts messages, however long calls wait here.
PLACES = 32
# The share of rpc_response_timeout for which a call waits for a resource; the rest is for the work
# and for the answer.
WAIT_SHARE = 0.4

# A project may use at most SHARE times as many places as are left free. Of 32 places it gets 24
# when no other project calls, however many of its calls wait for a locked resource.
SHARE = 3

_expected = messaging.expected_exceptions(exception.Invalid, exception.Conflict,
                                          exception.ServiceUnavailable)


class Places:
    """The places of calls; each running call takes one.

    :param number: number of places
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._taken: collections.Counter[str | None] = collections.Counter()
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def one(self, project: str | None) -> Iterator[None]:
        """Hold a place for the duration of the block.

        :param project: project of the call
        :raises TooManyCalls: no place is free, or the project has its share
        """
        with self._guard:
            if self._taken[project] >= SHARE * self._free:
                raise exception.TooManyCalls()
            self._free -= 1
            self._taken[project] += 1
        try:
            yield
        finally:
            with self._guard:
                self._free += 1
                self._taken[project] -= 1
                if not self._taken[project]:
                    del self._taken[project]


_places = Places(PLACES)


def synchronous(method: Callable) -> Callable:
    """Decorate the method of an endpoint whose sender waits for the answer.

    :raises TooManyCalls: no place is free, or the project has its share
    """
    @_expected
    @functools.wraps(method)
    def call(endpoint: object, ctxt: context.RequestContext, *args: object,
             **kwargs: object) -> object:
        with _places.one(ctxt.project_id), fair_lock.working_for('call', ctxt.project_id):
            return method(endpoint, ctxt, *args, **kwargs)
    return call


@contextlib.contextmanager
def lock(kind: str, ident: str) -> Iterator[None]:
    """Hold the lock of a resource, such as 'volume', for the duration of the block.

    :raises ResourceBusy: the lock is held for longer than the sender can wait; nothing was done
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(coordination.lock(
                f'{kind}-{ident}', timeout=rpc.response_timeout() * WAIT_SHARE))
        except exception.LockTimeout as exc:
            raise exception.ResourceBusy(resource=f'{kind.capitalize()} {ident}') from exc
        yield
