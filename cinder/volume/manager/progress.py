# SPDX-License-Identifier: Apache-2.0
"""The progress of the transfer of an image, and whether the transfer may continue."""
import time
from collections.abc import Collection

from cinder import exception, objects, operations
from cinder.db import operations as operations_db
from cinder.volume.manager.task import Task

# Seconds between two reports of progress.
REPORTS = 2


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
        self._work, self._next = work, 0.0
        self._fine = (operations.transition_of(work.operation).meanwhile, *also)

    def report(self, done: int) -> None:
        """Record how many bytes are done, every REPORTS seconds.

        :raises OperationLost: another service holds the operation.
        :raises Superseded: another request changed the status of the volume.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REPORTS
        ctxt, operation = self._work.ctxt, self._work.operation
        operations_db.progress(ctxt, operation, done, self.total)
        found = operations.load(ctxt, operation)
        if found is None or found.status not in self._fine:
            operations.abandon(ctxt, operation, operations.SUPERSEDED, found)
            raise Superseded(operation_id=operation.id)
