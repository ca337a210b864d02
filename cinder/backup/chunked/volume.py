# SPDX-License-Identifier: Apache-2.0
"""Where the objects of a backup go: a volume_data.Device, or nowhere."""
from typing import Protocol


class Volume(Protocol):
    """Where the bytes of a backup go."""

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes."""

    def zero(self, start: int, end: int) -> None:
        """Let a range read as zeros."""

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the SHA-256 of a range, None if it is not known."""

    def flush(self) -> None:
        """Make everything durable."""


class Nowhere:
    """For a test of the objects alone."""

    def write(self, offset: int, data: memoryview) -> None:
        """Do nothing."""

    def zero(self, start: int, end: int) -> None:
        """Do nothing."""

    def digest(self, start: int, end: int) -> bytes | None:
        """Return None."""
        return None

    def flush(self) -> None:
        """Do nothing."""
