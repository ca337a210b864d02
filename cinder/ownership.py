# SPDX-License-Identifier: Apache-2.0
"""The locks and the claim that the work of a thread depends on. Code that changes the storage
confirms them first, so that work which has lost one stops before its next change."""
import contextlib
import contextvars
from collections.abc import Iterator
from typing import Protocol


class Hold(Protocol):
    """A lock or claim that can be lost while it is used."""

    def confirm(self) -> None:
        """:raises OperationLost: another service may hold it by now"""


_holds: contextvars.ContextVar[tuple[Hold, ...]] = contextvars.ContextVar('holds', default=())


@contextlib.contextmanager
def depending_on(hold: Hold) -> Iterator[None]:
    """Make the work in the block depend on `hold` as well."""
    token = _holds.set((*_holds.get(), hold))
    try:
        yield
    finally:
        _holds.reset(token)


@contextlib.contextmanager
def ignoring_loss() -> Iterator[None]:
    """Let the block undo a temporary change, such as a suspended device, even if a lock or claim
    was lost."""
    token = _holds.set(())
    try:
        yield
    finally:
        _holds.reset(token)


def confirm() -> None:
    """Continue only if nothing that the work of this thread depends on is lost. It compares the
    clock and asks no other service, also in the native threads of brick.blocking.

    :raises LockLost: another service may hold a lock by now.
    :raises OperationLost: the operation was released.
    """
    for hold in _holds.get():
        hold.confirm()
