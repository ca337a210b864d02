# SPDX-License-Identifier: Apache-2.0
"""Locks of operations. A call holds one for a moment, a copy for long: then the operation waits in
the journal, and no thread with it."""
import contextlib
from collections.abc import Callable, Iterator

from cinder import coordination, exception

# How long a thread waits for a lock, and how long the operation is set aside then.
LOCK_SECONDS, SET_ASIDE_SECONDS = 5, 5


def held(name: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock `name`, such as 'volume-ID', for the length of a block.

    :raises NotYet: others hold it.
    """
    return _waiting(coordination.lock, name)


def shared(name: str) -> contextlib.AbstractContextManager[None]:
    """The same together with the others of this process that share it.

    :raises NotYet: others hold it.
    """
    return _waiting(coordination.shared, name)


@contextlib.contextmanager
def _waiting(take: Callable, name: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(take(name, timeout=LOCK_SECONDS))
        except exception.LockTimeout as exc:
            raise exception.NotYet(SET_ASIDE_SECONDS, f'lock {name}') from exc
        yield
