# SPDX-License-Identifier: Apache-2.0
"""Volumes in use that move: only the compute service, which sees what servers write, copies them.

It is asked to, takes the new volume by an attachment, copies, and tells the API that it is done
(volume/api/volume_migrations.py), which ends the operation. Until then somebody waits here.
"""
import time

from oslo_log import log as logging

from cinder import compute, exception, objects
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.i18n import _

LOG = logging.getLogger(__name__)

LOOK_PAUSE = 1
# Seconds without an attachment to the new volume after which the compute service has given up: it
# makes one before it says yes, and keeps it until it tells how it ended.
BEGIN_SECONDS = 60
# Argument of the operation: the server that uses the volume.
SERVER = 'server_id'


class UnderWay(exception.CinderException):
    """The compute service may still be writing to the new volume, which has to stay."""

    message = _('The compute service did not tell in time whether volume %(target_id)s is a copy. '
                'An administrator who knows ends it with os-migrate_volume_completion.')
    safe = True


def server_of(ctxt, volume: objects.Volume) -> str:
    """The one server that uses the volume and can be asked.

    :raises InvalidVolume: there is none, or several.
    """
    servers = {each.instance_uuid for each in attachments_db.for_volume(ctxt, volume.id)
               if each.attach_status == 'attached'}
    if not compute.is_configured():
        raise exception.InvalidVolume(
            reason=_('it is in use, and only the compute service could copy it then'))
    if len(servers) != 1 or None in servers:
        raise exception.InvalidVolume(
            reason=_('it is in use, and not by exactly one server, which could copy it'))
    return servers.pop()


def swap(ctxt, operation: objects.Operation, volume: objects.Volume,
         target: objects.Volume) -> objects.Operation:
    """Have the server copy the volume; returns the operation as it was ended meanwhile.

    Run again, it goes on waiting: what has begun is not asked for twice.

    :raises Invalid: the compute service refuses, or gave up.
    :raises UnderWay: it did not come to an end in time.
    """
    if not has_begun(ctxt, operation):
        _ask(ctxt, operation, volume, target)
    seen = time.monotonic()
    while (row := operations_db.get(ctxt, operation.id)).finished_at is None:
        if row.fence != operation.fence:
            raise exception.OperationLost(operation_id=operation.id)
        begun = has_begun(ctxt, operation)
        if begun:
            seen = time.monotonic()
        elif time.monotonic() - seen > BEGIN_SECONDS:
            raise exception.InvalidVolume(reason=_('the compute service gave it up'))
        if operations_db.is_older(ctxt, operation.id, CONF.migration_completion_timeout_secs):
            if begun:
                raise UnderWay(target_id=target.id)
            raise exception.InvalidVolume(reason=_('the compute service did not copy it in time'))
        time.sleep(LOOK_PAUSE)
    return row


def _ask(ctxt, operation: objects.Operation, volume: objects.Volume,
         target: objects.Volume) -> None:
    """:raises Invalid: the compute service refuses, or gives no answer for long."""
    ends = time.monotonic() + CONF.migration_create_volume_timeout_secs
    while True:
        try:
            compute.swap(operation.arguments[SERVER], volume.id, target.id)
            return
        except (exception.ServiceUnavailable, exception.ComputeRefused) as exc:
            # Without an answer, or after an earlier question, it may be about it.
            if has_begun(ctxt, operation):
                return
            if isinstance(exc, exception.ComputeRefused):
                raise
            if time.monotonic() > ends:
                raise exception.InvalidVolume(
                    reason=_('the compute service does not answer')) from exc
        time.sleep(LOOK_PAUSE)


def has_begun(ctxt, operation: objects.Operation) -> bool:
    """Whether a server may be writing to the new volume."""
    return bool(attachments_db.for_volume(ctxt, operation.arguments['target_id']))
