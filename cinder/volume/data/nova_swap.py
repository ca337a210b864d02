# SPDX-License-Identifier: Apache-2.0
"""Volumes in use that move: only the compute service, which sees what servers write, copies them.

It is asked to, takes the new volume by an attachment, copies, and tells the API that it is done
(volume/api/volume_migrations.py), which ends the operation. Until then that waits in the journal.
"""
from typing import NoReturn

from oslo_log import log as logging

from cinder import compute, exception, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.i18n import _

LOG = logging.getLogger(__name__)

# Seconds between two looks at most: they are for what is not told.
LOOK_PAUSE = 5
# Seconds without an attachment to the new volume after which the compute service has given up: it
# makes one before it says yes, and keeps it until it tells how it ended.
BEGIN_SECONDS = 60
# Argument of the operation: the server that uses the volume.
SERVER = 'server_id'
# Argument of the operation: the compute service has taken the request.
ASKED = 'asked'


class UnderWay(exception.CinderException):
    """The compute service may still be writing to the new volume, which has to stay."""

    message = _('The compute service did not tell in time whether volume %(target_id)s is a copy. '
                'An administrator who knows ends it with os-migrate_volume_completion.')
    safe = True


def server_of(ctxt: RequestContext, volume: objects.Volume) -> str:
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


def look(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
         target: objects.Volume) -> NoReturn:
    """Have the server copy the volume, and look how far it is. What has begun is not asked for
    twice, and the API, which is told how it ended, ends the operation.

    :raises NotYet: it may still copy.
    :raises Invalid: the compute service refuses, or gave up.
    :raises UnderWay: it did not come to an end in time.
    """
    if ASKED not in operation.arguments:
        if not has_begun(ctxt, operation):
            _ask(ctxt, operation, volume, target)
        operations_db.add_arguments(ctxt, operation, **{ASKED: True})
    begun = has_begun(ctxt, operation)
    if operations_db.is_older(ctxt, operation.id, CONF.migration_completion_timeout_secs):
        if begun:
            raise UnderWay(target_id=target.id)
        raise exception.InvalidVolume(reason=_('the compute service did not copy it in time'))
    if begun:
        raise exception.NotYet(LOOK_PAUSE, 'the compute service to copy it')
    operations.wait(
        ctxt, operation, 'the compute service to begin or to tell how it ended',
        within=BEGIN_SECONDS, longest=LOOK_PAUSE,
        otherwise=exception.InvalidVolume(reason=_('the compute service gave it up')))


def _ask(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
         target: objects.Volume) -> None:
    """:raises NotYet: the compute service gives no answer.
    :raises Invalid: it refuses, or gives no answer for long.
    """
    try:
        compute.swap(operation.arguments[SERVER], volume.id, target.id)
    except (exception.ServiceUnavailable, exception.ComputeRefused) as exc:
        # Without an answer, or after an earlier question, it may be about it.
        if has_begun(ctxt, operation):
            return
        if isinstance(exc, exception.ComputeRefused):
            raise
        operations.wait(
            ctxt, operation, 'an answer of the compute service',
            within=CONF.migration_create_volume_timeout_secs, longest=LOOK_PAUSE,
            otherwise=exception.InvalidVolume(reason=_('the compute service does not answer')))


def has_begun(ctxt: RequestContext, operation: objects.Operation) -> bool:
    """Whether a server may be writing to the new volume."""
    return bool(attachments_db.for_volume(ctxt, operation.arguments['target_id']))
