# SPDX-License-Identifier: Apache-2.0
"""Migration of volumes in use: only the compute service, which sees what servers write, can copy
them.

It is requested to copy the volume, attaches the new volume, copies, and reports the end to the API
(volume/api/volume_migrations.py), which ends the operation. Until then the operation waits in the
journal.
"""
from typing import NoReturn

from oslo_log import log as logging

from cinder import compute, exception, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import waiting as waiting_db
from cinder.i18n import _

LOG = logging.getLogger(__name__)

# Most seconds between two checks; they find what is not reported.
LOOK_PAUSE = 5
# Seconds without an attachment to the new volume after which the compute service has given up: it
# creates one before it accepts the request, and keeps it until it reports the end.
BEGIN_SECONDS = 60
# Argument of the operation: the server that uses the volume.
SERVER = 'server_id'
# Argument of the operation: the compute service has taken the request.
ASKED = 'asked'


class UnderWay(exception.CinderException):
    """The compute service may still be writing to the new volume, which must not be deleted."""

    message = _('The compute service did not report in time whether volume %(target_id)s is a '
                'complete copy. An administrator can end the migration with '
                'os-migrate_volume_completion.')
    safe = True


def server_of(ctxt: RequestContext, volume: objects.Volume) -> str:
    """Return the only server that uses the volume.

    :raises InvalidVolume: there is none, or several, or no compute service is configured.
    """
    servers = {each.instance_uuid for each in attachments_db.for_volume(ctxt, volume.id)
               if each.attach_status == 'attached'}
    if not compute.is_configured():
        raise exception.InvalidVolume(
            reason=_('it is in use, and no compute service is configured ([nova]) to copy it'))
    if len(servers) != 1 or None in servers:
        raise exception.InvalidVolume(
            reason=_('it is in use, but not by exactly one server, which could copy it'))
    return servers.pop()


def check_progress(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
                   target: objects.Volume) -> NoReturn:
    """Request the copy from the compute service, and check its progress. A copy that has started is
    not requested again; the API ends the operation when the copy ends.

    :raises NotYet: the copy may still be running.
    :raises Invalid: the compute service refuses, or has given up.
    :raises UnderWay: the copy did not end in time.
    """
    if ASKED not in operation.arguments:
        if not has_begun(ctxt, operation):
            _ask(ctxt, operation, volume, target)
        operations_db.add_arguments(ctxt, operation, **{ASKED: True})
    begun = has_begun(ctxt, operation)
    if waiting_db.is_older(ctxt, operation.id, CONF.migration_completion_timeout_secs):
        if begun:
            raise UnderWay(target_id=target.id)
        raise exception.InvalidVolume(reason=_('the compute service did not copy it in time'))
    if begun:
        raise exception.NotYet(LOOK_PAUSE, 'the compute service to copy it')
    operations.wait(
        ctxt, operation, 'the compute service to start or to report the end',
        within=BEGIN_SECONDS, longest=LOOK_PAUSE,
        otherwise=exception.InvalidVolume(reason=_('the compute service gave up the copy')))


def _ask(ctxt: RequestContext, operation: objects.Operation, volume: objects.Volume,
         target: objects.Volume) -> None:
    """:raises NotYet: the compute service does not answer.
    :raises Invalid: it refuses, or does not answer for long.
    """
    try:
        compute.swap(operation.arguments[SERVER], volume.id, target.id)
    except (exception.ServiceUnavailable, exception.ComputeRefused) as exc:
        # Without an answer, or after an earlier request, the copy may be running.
        if has_begun(ctxt, operation):
            return
        if isinstance(exc, exception.ComputeRefused):
            raise
        operations.wait(
            ctxt, operation, 'an answer of the compute service',
            within=CONF.migration_create_volume_timeout_secs, longest=LOOK_PAUSE,
            otherwise=exception.InvalidVolume(reason=_('the compute service does not answer')))


def has_begun(ctxt: RequestContext, operation: objects.Operation) -> bool:
    """Return whether a server may be writing to the new volume."""
    return bool(attachments_db.for_volume(ctxt, operation.arguments['target_id']))
