# SPDX-License-Identifier: Apache-2.0
"""The SQL of operations of backups whose host is gone: which ones another backup service may run.
journal.py has the SQL for the operations of one service."""
from collections.abc import Collection

import sqlalchemy as sa

from cinder.context import RequestContext
from cinder.db import filters, models, services, session

_T = models.Operation.__table__
_BACKUP = models.Backup.__table__
_SERVICE = models.Service.__table__
BINARY = 'cinder-backup'


def orphaned(service: str, zone: str | None, dead: Collection[str] = ()) -> filters.Condition:
    """Return the condition: the operation is addressed to a backup service that is not up, and a
    service with these properties may run it in its place.

    :param service: class path of the driver; a backup that another driver has written is left to
        services with that driver. An import is for any service, which passes it on.
    :param zone: availability zone of the service. It runs the operations of its zone, and those of
        zones without a service that is up.
    :param dead: hosts that are not up, whatever their heartbeats say.
    """
    up = sa.and_(_SERVICE.c.binary == BINARY, _SERVICE.c.deleted == sa.false(),
                 services.is_up_condition(), _SERVICE.c.host.not_in(dead))
    zones = sa.select(_SERVICE.c.availability_zone).where(
        up, _SERVICE.c.disabled == sa.false(), _SERVICE.c.availability_zone.is_not(None))
    place = _BACKUP.c.availability_zone
    return sa.and_(
        _T.c.resource_type == 'backup',
        _T.c.host.not_in(sa.select(_SERVICE.c.host).where(up)),
        sa.exists().where(
            _BACKUP.c.id == _T.c.resource_id,
            sa.or_(_T.c.verb == 'backup.import', _BACKUP.c.service.is_(None),
                   _BACKUP.c.service == service),
            sa.or_(place.is_(None), place == zone, place.not_in(zones))))


def has_deletions(ctxt: RequestContext, host: str) -> bool:
    """Return whether deletions of backups are addressed to a host and not finished."""
    with session.reader(ctxt) as conn:
        return conn.execute(sa.select(_T.c.id).where(
            _T.c.host == host, _T.c.verb == 'backup.delete',
            _T.c.state.in_(('queued', 'running'))).limit(1)).first() is not None
