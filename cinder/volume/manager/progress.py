# SPDX-License-Identifier: Apache-2.0
"""The progress of the transfer of an image, and whether the transfer may continue."""
import time
from collections.abc import Collection

from cinder import exception, objects, operations
from cinder.db import operations as operations_db
from cinder.volume.manager.task import Task

# Seconds between two reports of progress, and between two looks at the status of the volume.
REPORTS, LOOKS = 2, 0.5


class Superseded(exception.OperationLost):
    """Another request superseded the operation while it was running here."""


class Progress:
    """Reports the progress of a copy, and checks whether the copy may continue.

    :param also: statuses of the volume in which the copy may continue, in addition to that of the
        operation.
    :ivar total: number of bytes to copy.
    """

    def __init__(self, work: Task[objects.Volume], also: Collection[str] = ()) -> None:
        self.total = 0
        self._work, self._next, self._next_look = work, 0.0, 0.0
        self._fine = (operations.transition_of(work.operation).meanwhile, *also)

    def report(self, done: int) -> None:
        """Record how many bytes are done, every REPORTS seconds, and check the volume.

        :raises OperationLost: another service holds the operation.
        :raises Superseded: another request changed the status of the volume.
        """
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REPORTS
            operations_db.progress(self._work.ctxt, self._work.operation, done, self.total)
        self.check()

    def check(self) -> None:
        """Check the volume, every LOOKS seconds.

        :raises Superseded: as report().
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOKS
        ctxt, operation = self._work.ctxt, self._work.operation
        found = operations.load(ctxt, operation)
        if found is None or found.status not in self._fine:
            operations.abandon(ctxt, operation, operations.SUPERSEDED, found)
            raise Superseded(operation_id=operation.id)
