# SPDX-License-Identifier: Apache-2.0
"""What the work of a thread rests on: its locks, and its claim of an operation. Whoever changes the
storage confirms them first, so that work which has lost one stops before its next change."""
import contextlib
import contextvars
from collections.abc import Iterator
from typing import Protocol


class Hold(Protocol):
    """Something that can be lost while it is used."""

    def confirm(self) -> None:
        """:raises OperationLost: it may be somebody else's by now"""


_holds: contextvars.ContextVar[tuple[Hold, ...]] = contextvars.ContextVar('holds', default=())


@contextlib.contextmanager
def depending_on(hold: Hold) -> Iterator[None]:
    """Have the work of the block rest on `hold`, too."""
    token = _holds.set((*_holds.get(), hold))
    try:
        yield
    finally:
        _holds.reset(token)


@contextlib.contextmanager
def ignoring_loss() -> Iterator[None]:
    """Let the block put back what the work had taken away for a moment, whatever is lost."""
    token = _holds.set(())
    try:
        yield
    finally:
        _holds.reset(token)


def confirm() -> None:
    """Go on only if nothing that this thread's work rests on is lost. It asks nobody and costs a
    look at the clock, also in the native threads that calls of brick.blocking run in.

    :raises LockLost: a lock may be somebody else's by now.
    :raises OperationLost: the operation was given back.
    """
    for hold in _holds.get():
        hold.confirm()
