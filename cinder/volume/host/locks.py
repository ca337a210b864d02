# SPDX-License-Identifier: Apache-2.0
"""Locks of operations. An operation that cannot get its lock at once returns to the journal and is
retried later; no thread waits for it.

Volumes and snapshots have two kinds of locks. 'volume-ID' is for changes of the resource: one
operation or call at a time. 'bytes-NAME' is for its data: any number of copies read it together,
and an operation that removes, replaces or resizes it waits for them. An attachment takes only the
first lock.
"""
import contextlib
from collections.abc import Callable, Iterator

from cinder import coordination, exception, objects

Source = objects.Volume | objects.Snapshot

# Seconds that a thread waits for a lock, and seconds until the operation is retried.
LOCK_SECONDS, SET_ASIDE_SECONDS = 0.5, 1
# Seconds that a thread waits until no copy reads the data: a copy that shares blocks is short.
READ_SECONDS = 0.05


def held(name: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock `name`, such as 'volume-ID', for the duration of a block.

    :raises NotYet: another operation or call holds it.
    """
    return _waiting(coordination.lock, name, LOCK_SECONDS)


def read_lock(source: Source) -> contextlib.AbstractContextManager[None]:
    """Read the data of a volume or snapshot, together with other copies, for the duration of a
    block.

    :raises NotYet: the data is being removed, replaced or resized.
    """
    return _waiting(coordination.shared, _bytes_of(source), LOCK_SECONDS)


def write_lock(source: Source) -> contextlib.AbstractContextManager[None]:
    """Keep copies from reading the data of a volume or snapshot for the duration of a block.

    :raises NotYet: a copy reads it.
    """
    return _waiting(coordination.lock, _bytes_of(source), READ_SECONDS)


def _bytes_of(source: Source) -> str:
    # A migration gives the data to another row; its name stays.
    return f'bytes-{source.name}'


@contextlib.contextmanager
def _waiting(take: Callable, name: str, seconds: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(take(name, timeout=seconds))
        except exception.LockTimeout as exc:
            raise exception.NotYet(SET_ASIDE_SECONDS, f'lock {name}') from exc
        yield
