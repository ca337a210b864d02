# SPDX-License-Identifier: Apache-2.0
"""Which operations of a host wait for the data of an image. The manager decides what follows."""
import json

import sqlalchemy as sa

from cinder import objects
from cinder.context import RequestContext
from cinder.db import models, operations, session

_T = models.Operation.__table__
_VERBS = ('volume.create', 'volume.download', 'volume.reimage')


def under_way(ctxt: RequestContext, image_id: str, host: str) -> list[objects.Operation]:
    """Return the unfinished operations of a host that write an image to a volume.

    :param host: the host without a back end: those of all its back ends are returned.
    """
    argument = json.dumps({'image_id': image_id})[1:-1]
    with session.reader(ctxt) as conn:
        rows = conn.execute(operations.SELECT.where(
            _T.c.state.in_(('queued', 'running')), _T.c.verb.in_(_VERBS),
            _T.c.host.startswith(f'{host}@', autoescape=True),
            sa.cast(_T.c.arguments, sa.Text).contains(argument, autoescape=True),
        )).mappings().all()
    return [operations.from_row(row) for row in rows]


def wake(ctxt: RequestContext, image_id: str, host: str, reason: str) -> None:
    """End the wait of the operations of a host that wait for `reason`, which has happened."""
    ids = [each.id for each in under_way(ctxt, image_id, host)
           if (each.arguments.get(operations.WAITING) or {}).get('for') == reason]
    if ids:
        with session.writer(ctxt) as conn:
            conn.execute(_T.update().where(
                _T.c.id.in_(ids), _T.c.state == 'queued').values(lease_until=None))
