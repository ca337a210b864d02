# SPDX-License-Identifier: Apache-2.0
"""Operations: the life cycle of the rows of the journal, from the message or the poller to the end.

executor.py decides which operation starts next, runner.py runs it, claims.py says which service
holds it, outcome.py how it ends, cancellation.py which can be cancelled.
"""
from cinder.operations.cancellation import cancel
from cinder.operations.executor import report
from cinder.operations.notices import begin as note_begin
from cinder.operations.notices import end_as_is as note_end
from cinder.operations.notices import member_end as note_member_end
from cinder.operations.outcome import (
    DRIVER_FAILED,
    HINTS_IGNORED,
    NO_BACKEND,
    SUPERSEDED,
    UNKNOWN_CAUSE,
    abandon,
    cancel_queued,
    create_message,
    fail,
    keeps_related,
    load,
    record_member_removed,
    request_context,
    succeed,
    tenant_reason,
    transition_of,
)
from cinder.operations.runner import Handler, Messages, OperationRunner, handlers_of, handles
from cinder.operations.timers import Timers
from cinder.operations.waiting import LONGEST, SHORTEST, wait

__all__ = ['DRIVER_FAILED', 'HINTS_IGNORED', 'Handler', 'LONGEST', 'Messages', 'NO_BACKEND',
           'OperationRunner', 'SHORTEST', 'SUPERSEDED', 'Timers', 'UNKNOWN_CAUSE', 'abandon',
           'cancel', 'cancel_queued', 'create_message', 'fail', 'handlers_of', 'handles',
           'keeps_related', 'load', 'note_begin', 'note_end', 'note_member_end',
           'record_member_removed', 'report', 'request_context', 'succeed', 'tenant_reason',
           'transition_of', 'wait']
