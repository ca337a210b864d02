# SPDX-License-Identifier: Apache-2.0
"""Messages whose sender waits for the answer: how many are answered at a time, how long each may
wait for a resource, and which errors are for the sender to read and no traceback in the log."""
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import oslo_messaging as messaging

from cinder import coordination, exception
from cinder.rpc import base as rpc

# Half of the threads of the bus: the others take messages, however long calls wait here.
PLACES = 32
# The part of rpc_response_timeout for which a call waits for a resource; the rest is for the work,
# and for the way back.
WAIT_SHARE = 0.4

_places = threading.BoundedSemaphore(PLACES)
_expected = messaging.expected_exceptions(exception.Invalid, exception.Conflict,
                                          exception.ServiceUnavailable)


def answers(method: Callable) -> Callable:
    """Decorate the method of an endpoint whose caller waits.

    :raises TooManyCalls: as many are answered as there are places
    """
    @_expected
    @functools.wraps(method)
    def call(*args: object, **kwargs: object) -> object:
        if not _places.acquire(blocking=False):
            raise exception.TooManyCalls()
        try:
            return method(*args, **kwargs)
        finally:
            _places.release()
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
