# SPDX-License-Identifier: Apache-2.0
"""Locks of operations. Who cannot have one in a moment waits in the journal, and no thread with it.

Two kinds lie on a volume or snapshot. 'volume-ID' is for what is done to it: one operation or call
at a time. 'bytes-NAME' is for its bytes: any number of copies read them together, and what removes,
replaces or resizes them waits for these. An attachment asks for the first only.
"""
import contextlib
from collections.abc import Callable, Iterator

from cinder import coordination, exception, objects

Source = objects.Volume | objects.Snapshot

# How long a thread waits for a lock, and how long the operation is set aside then.
LOCK_SECONDS, SET_ASIDE_SECONDS = 0.5, 1
# The same until nobody reads bytes: a copy takes a moment, where blocks are shared, or for long.
READ_SECONDS = 0.05


def held(name: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock `name`, such as 'volume-ID', for the length of a block.

    :raises NotYet: others hold it.
    """
    return _waiting(coordination.lock, name, LOCK_SECONDS)


def reading(source: Source) -> contextlib.AbstractContextManager[None]:
    """Read the bytes of a volume or snapshot, together with others, for the length of a block.

    :raises NotYet: they are being removed, replaced or resized.
    """
    return _waiting(coordination.shared, _bytes_of(source), LOCK_SECONDS)


def unread(source: Source) -> contextlib.AbstractContextManager[None]:
    """Let nobody read the bytes of a volume or snapshot for the length of a block.

    :raises NotYet: somebody does.
    """
    return _waiting(coordination.lock, _bytes_of(source), READ_SECONDS)


def _bytes_of(source: Source) -> str:
    # A migration gives the bytes to another row; their name stays.
    return f'bytes-{source.name}'


@contextlib.contextmanager
def _waiting(take: Callable, name: str, seconds: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(take(name, timeout=seconds))
        except exception.LockTimeout as exc:
            raise exception.NotYet(SET_ASIDE_SECONDS, f'lock {name}') from exc
        yield
