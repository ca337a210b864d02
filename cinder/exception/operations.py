# SPDX-License-Identifier: Apache-2.0
"""Errors of operations and of the locks that they hold, and which of these end no operation."""
from cinder.exception.base import CinderException, NotFound, ServiceUnavailable
from cinder.exception.services import DatabaseTrouble
from cinder.exception.storage import BackendUnresponsive
from cinder.i18n import _


class OperationNotFound(NotFound):
    message = _('Operation %(operation_id)s could not be found.')


class OperationLost(CinderException):
    message = _('Operation %(operation_id)s is held by another worker, or done.')


class NotYet(CinderException):
    """The operation waits for somebody else: it goes back to the journal, which no attempt counts
    and no failure is.

    :param seconds: before which nobody looks again
    :param reason: what it waits for, after 'waits for'
    """

    message = _('It waits for %(reason)s.')

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason=reason)
        self.seconds, self.reason = seconds, reason


class TooManyAttempts(CinderException):
    message = _('The work was interrupted %(attempts)d times; it is not tried again.')
    safe = True


class LockCreationFailed(ServiceUnavailable):
    """It says nothing about the work at hand, which is to be done again."""

    message = _('Lock %(name)s could not be made: %(reason)s')
    safe = False


class LockTimeout(LockCreationFailed):
    message = _('Lock %(name)s was held by somebody else for too long.')


class LockLost(OperationLost, ServiceUnavailable):
    """What is done under the lock stops; an operation goes back to the journal."""

    message = _('Lock %(name)s may be held by somebody else by now.')
    safe = False


# What ends the work on an operation without failing it, and says nothing of its storage.
INTERRUPTED = (OperationLost, NotYet, LockCreationFailed, DatabaseTrouble)
# The same with a storage that does not answer: the work goes on later, or elsewhere.
UNFINISHED = (*INTERRUPTED, BackendUnresponsive)
