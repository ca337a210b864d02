# SPDX-License-Identifier: Apache-2.0
"""Tells the owner of a volume which of its scheduler hints no filter reads.

The API has refused malformed hints; the filters of this scheduler decide which have an effect.
"""
import json
from typing import TYPE_CHECKING

from oslo_log import log as logging

from cinder import context, failures, objects, operations

if TYPE_CHECKING:
    from cinder.scheduler.filter_scheduler import FilterScheduler

LOG = logging.getLogger(__name__)
# Of one message: keys, and characters of each.
_MOST_KEYS, _LONGEST_KEY = 20, 64


def report_ignored(ctxt: context.RequestContext, operation: objects.Operation,
                   resource: objects.Volume | objects.Group, driver: 'FilterScheduler') -> None:
    """Create a user message of a new volume, at its first decision, if hints have no effect."""
    arguments = operation.arguments or {}
    hints = arguments.get('scheduler_hints')
    if not hints or arguments.get('tried') or arguments.get('waits') or operation.attempt > 1:
        return
    # A driver of an operator may have no survey.
    survey = getattr(driver, 'survey', None)
    ignored = survey.ignored_hints(hints) if survey else []
    if not ignored:
        return
    shown = ', '.join(json.dumps(key[:_LONGEST_KEY]) for key in ignored[:_MOST_KEYS])
    more = f' and {len(ignored) - _MOST_KEYS} more' if len(ignored) > _MOST_KEYS else ''
    LOG.info('Hints of volume %s that no filter in scheduler_default_filters reads: %s%s',
             resource.id, shown, more)
    try:
        operations.create_message(
            ctxt, 'volume', resource, 'volume.schedule',
            f'No filter of the scheduler reads these hints, so they have no effect: {shown}{more}.',
            detail=operations.HINTS_IGNORED, request_id=operation.request_id, level='WARNING')
    except Exception:
        failures.log(LOG, 'No message about ignored hints was created for volume %s.', resource.id)
