# SPDX-License-Identifier: Apache-2.0
"""Progress of a backup or restore: reported from native threads, written to the database by a
thread of the service, which also notices that the work must stop."""
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

from oslo_log import log as logging

from cinder import exception, objects, operations, ownership
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.volume.manager.task import is_superseded

LOG = logging.getLogger(__name__)

# Function(bytes done, of all, finished objects) -> what belongs to the write of that.
Observer = Callable[[int, int, int], Callable[[], None] | None]
# Seconds between two writes.
INTERVAL = 2.0
# Argument of a restore: objects that are on the volume.
CHECKPOINT = 'checkpoint'


class Progress:
    """Counters of one operation. The engine calls report() and confirm() in its own native threads,
    so both only read and write attributes.

    :param total: bytes of the volume
    :param observe: called in a thread of the service for each write, as report() is; returns what
        belongs to the transaction of the write, or None
    :ivar checkpoint: objects of a restore that are on the volume, kept with the operation
    """

    def __init__(self, ctxt: RequestContext, operation: objects.Operation, total: int,
                 clock: Callable[[], float] = time.monotonic,
                 observe: Observer = lambda *_counts: None) -> None:
        self._ctxt, self._operation, self._clock = ctxt, operation, clock
        self._observe = observe
        self.total, self.done, self.objects = total, 0, 0
        self.checkpoint: int = operation.arguments.get(CHECKPOINT, 0)
        self._written: tuple[int, int] | None = None
        self._confirmed_at = clock()
        # Threads of the engine do not know the locks that the work depends on.
        self._context = contextvars.copy_context()
        self._error: BaseException | None = None
        self._ended = threading.Event()

    # ----------------------------------------------------------------------------- native threads
    def report(self, done: int, total: int, count: int) -> None:
        """Note how much is done.

        :param done: bytes of the volume, of `total`
        :param count: finished objects
        :raises OperationLost: as confirm()
        """
        self.done, self.total, self.objects = done, total, count
        self.confirm()

    def reach(self, checkpoint: int) -> None:
        """Note how many objects are safely on the volume: another attempt goes on there."""
        self.checkpoint = checkpoint

    def confirm(self) -> None:
        """Continue only if this worker still holds the operation.

        :raises OperationLost: another worker has it, or another request has changed the backup, or
            the database was not reached for longer than a lease.
        """
        if self._error is not None:
            raise self._error
        if self._clock() - self._confirmed_at > CONF.operation_lease:
            raise exception.OperationLost(operation_id=self._operation.id)
        self._context.copy().run(ownership.confirm)

    # ----------------------------------------------------------------------- thread of the service
    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Write the progress every INTERVAL seconds while the body runs, and once at its end."""
        self._write()
        thread = threading.Thread(target=self._run, name='backup-progress', daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
        self._write()
        self.confirm()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL) and self._error is None:
            self._write()

    def _write(self) -> None:
        began = self._clock()
        try:
            self._record(self._ctxt, self._observe(self.done, self.total, self.objects))
            self._confirmed_at = began
        except exception.DatabaseTrouble as exc:
            LOG.warning('The progress of backup %s is not recorded: %s',
                        self._operation.resource_id, exc)
        except Exception as exc:
            self._error = exc

    @session.retry_on_deadlock
    def _record(self, ctxt: RequestContext, also: Callable[[], None] | None = None) -> None:
        operation, now = self._operation, (self.done, self.objects)
        with session.writer(ctxt):
            operations_db.progress(ctxt, operation, self.done, self.total)
            # No other host can claim the operation until confirm() stops this one.
            operations_db.renew(ctxt, operation.owner, CONF.operation_lease, [operation.id])
            if is_superseded(operation, operations.load(ctxt, operation)) or (
                    not operations.keeps_related(ctxt, operation)):
                raise Superseded(reason=f'another request has changed backup '
                                        f'{operation.resource_id}, or the volume to which it is '
                                        'restored; its operation stops')
            if operation.verb == 'backup.create' and now != self._written:
                backups_db.update(ctxt, operation.resource_id, {'object_count': self.objects})
            if also is not None:
                also()
            if self.checkpoint > operation.arguments.get(CHECKPOINT, 0):
                operations_db.add_arguments(ctxt, operation, **{CHECKPOINT: self.checkpoint})
        self._written = now


class Superseded(exception.InvalidBackup):
    """Another request, such as a forced deletion or a reset of the status, has changed the backup
    or the volume to which it is restored."""
