# SPDX-License-Identifier: Apache-2.0
"""The time for which an operation is set aside passes without anybody waiting."""
from cinder import objects
from cinder.db import models, operations, session

_T = models.Operation.__table__


def wake(ctxt, operation: objects.Operation) -> None:
    """Let an operation that waits for somebody be taken at once."""
    with session.writer(ctxt) as conn:
        assert conn.execute(_T.update().where(_T.c.id == operation.id, _T.c.state == 'queued')
                            .values(lease_until=None)).rowcount == 1


def schedule(ctxt, operation: objects.Operation, host: str) -> None:
    """Do what a scheduler does with the operation of a volume that is on this back end."""
    operations.claim(ctxt, operation, 'a scheduler', 60)
    operations.requeue(ctxt, operation, stage='execute', host=host)
