# SPDX-License-Identifier: Apache-2.0
"""Messages whose sender waits for the answer: how many are answered at a time, how many of one
project among them, how long each may wait for a resource, and which errors are for the sender to
read and no traceback in the log."""
import collections
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import oslo_messaging as messaging

from cinder import context, coordination, exception, fair_lock
from cinder.rpc import base as rpc

# Half of the threads of the bus: the others take messages, however long calls wait here.
PLACES = 32
# The part of rpc_response_timeout for which a call waits for a resource; the rest is for the work,
# and for the way back.
WAIT_SHARE = 0.4

# How many times as many places a project may take as are left free for the others: of 32 it gets
# 24 when nobody else asks, however many of its calls wait for a resource that is held.
SHARE = 3

_expected = messaging.expected_exceptions(exception.Invalid, exception.Conflict,
                                          exception.ServiceUnavailable)


class Places:
    """What calls that are being answered take, each one of them.

    :param number: of places
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._taken: collections.Counter[str | None] = collections.Counter()
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def one(self, project: str | None) -> Iterator[None]:
        """Have a place for the length of the block.

        :param project: whose call it is
        :raises TooManyCalls: none is free, or the project has its share
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
    """Decorate the method of an endpoint whose caller waits.

    :raises TooManyCalls: as many are answered as there are places, or as its project may have
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
    """Hold the lock of a resource, such as 'volume', for the length of the block.

    :raises ResourceBusy: somebody holds it for longer than the caller can wait; nothing was done
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(coordination.lock(
                f'{kind}-{ident}', timeout=rpc.response_timeout() * WAIT_SHARE))
        except exception.LockTimeout as exc:
            raise exception.ResourceBusy(resource=f'{kind.capitalize()} {ident}') from exc
        yield
