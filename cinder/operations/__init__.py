# SPDX-License-Identifier: Apache-2.0
"""Operations: rows of the journal, from the message or the poller to their end.

executor.py decides which one begins, runner.py who holds it, outcome.py how it ends.
"""
from cinder.operations.executor import report
from cinder.operations.outcome import (
    DRIVER_FAILED,
    NO_BACKEND,
    SUPERSEDED,
    UNKNOWN_CAUSE,
    abandon,
    call_off,
    fail,
    load,
    member_gone,
    request_context,
    succeed,
    tell,
    transition_of,
    words_for_tenant,
)
from cinder.operations.runner import Messages, OperationRunner, handlers_of, handles
from cinder.operations.waiting import LONGEST, SHORTEST, wait

__all__ = ['DRIVER_FAILED', 'LONGEST', 'Messages', 'NO_BACKEND', 'OperationRunner', 'SHORTEST',
           'UNKNOWN_CAUSE', 'SUPERSEDED', 'abandon', 'call_off', 'fail', 'handlers_of', 'handles',
           'load', 'member_gone', 'report', 'request_context', 'succeed', 'tell',
           'transition_of', 'wait', 'words_for_tenant']
