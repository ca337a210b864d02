# SPDX-License-Identifier: Apache-2.0
"""Errors of operations and of the locks that they hold."""
from cinder.exception.base import CinderException, Conflict, NotFound, ServiceUnavailable
from cinder.exception.services import DatabaseTrouble
from cinder.exception.storage import BackendUnresponsive
from cinder.i18n import _


class OperationNotFound(NotFound):
    message = _('Operation %(operation_id)s could not be found.')


class OperationCancelled(Conflict):
    """Ends the work of an operation that a user has cancelled."""

    message = _('The operation was cancelled.')


class NotCancellable(Conflict):
    message = _('Operation %(operation_id)s cannot be cancelled: %(reason)s.')


class NotInTrash(NotFound):
    message = _('Nothing with id %(resource_id)s is in the trash.')


class NotRestorable(Conflict):
    message = _('%(kind)s %(resource_id)s cannot be restored: %(reason)s.')


class TrashBusy(Conflict):
    message = _('%(resource_id)s cannot be removed from the trash: it is being restored.')


class OperationFailed(Conflict):
    """An accepted operation has failed while its request waited for it."""

    message = _('%(verb)s of %(kind)s %(resource_id)s was accepted and has failed: %(reason)s')

    def __init__(self, verb: str, kind: str, resource_id: str, reason: str) -> None:
        super().__init__(verb=verb.partition('.')[2], kind=kind.replace('_', ' '),
                         resource_id=resource_id, reason=reason)


class OperationLost(CinderException):
    message = _('Operation %(operation_id)s is finished, or another worker has claimed it.')


class NotYet(CinderException):
    """The operation has to wait: it is requeued, which does not count as an attempt or a failure.

    :param seconds: time until the next attempt
    :param reason: what it waits for; continues 'waits for'
    """

    message = _('The operation waits for %(reason)s.')

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason=reason)
        self.seconds, self.reason = seconds, reason


class InjectedFault(CinderException):
    """A developer of a client has asked for this failure, see cinder.injected_faults."""

    message = _('%(reason)s')
    safe = True


class InjectedRefusal(CinderException):
    """The same for a request.

    :param status: HTTP status of the answer
    """

    message = _('%(reason)s')
    safe = True

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason=reason)
        self.code = status


class TooManyAttempts(CinderException):
    message = _('The operation was interrupted %(attempts)d times and is not tried again.')
    safe = True


class LockCreationFailed(ServiceUnavailable):
    """The work itself has not failed: it is to be tried again."""

    message = _('Lock %(name)s could not be created: %(reason)s')
    safe = False


class LockTimeout(LockCreationFailed):
    message = _('Lock %(name)s could not be acquired in time: another process holds it.')


class LockLost(OperationLost, ServiceUnavailable):
    """The work under the lock stops; an operation is requeued."""

    message = _('Lock %(name)s was lost: another process may hold it.')
    safe = False


# Errors that end an attempt without failing the operation, and that are not faults of the storage.
INTERRUPTED = (OperationLost, NotYet, LockCreationFailed, DatabaseTrouble)
# The same, and a storage that does not respond: the work continues later, or on another host.
UNFINISHED = (*INTERRUPTED, BackendUnresponsive)
