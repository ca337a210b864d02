# SPDX-License-Identifier: Apache-2.0
"""The base class of all errors, and one class for each HTTP status that an error may have."""
from cinder.i18n import _


class CinderException(Exception):
    """Base class: `message` is a template for the keyword arguments.

    :param message: text to use instead of the template.
    :param kwargs: values for the template; also stored as `self.kwargs`.
    """

    message = _('An unexpected error occurred.')
    code = 500
    safe = False
    headers: dict[str, str] = {}

    def __init__(self, message: object = None, **kwargs: object) -> None:
        self.kwargs = kwargs
        super().__init__(str(message) if message is not None else self.message % kwargs)

    @property
    def msg(self) -> str:
        return str(self.args[0])


class Invalid(CinderException):
    message = _('Unacceptable parameters.')
    code = 400
    safe = True


class NotAuthorized(CinderException):
    message = _('Not authorized.')
    code = 403
    safe = True


class NotFound(CinderException):
    message = _('The resource could not be found.')
    code = 404
    safe = True


class Conflict(CinderException):
    message = _('The request conflicts with the current state.')
    code = 409
    safe = True


class PreconditionFailed(CinderException):
    message = _('The metadata has changed since it was read.')
    code = 412
    safe = True


class QuotaError(CinderException):
    """A quota would be exceeded; the text starts with the name of the class, which clients know."""

    message = _('Quota exceeded.')
    code = 413
    safe = True
    headers: dict[str, str] = {'Retry-After': '0'}


class ServiceUnavailable(CinderException):
    message = _('The service is unavailable at this time.')
    code = 503
    safe = True
    headers: dict[str, str] = {'Retry-After': '5'}


def is_mistake(exc: BaseException) -> bool:
    """Return whether the error is a mistake of the caller, which is logged without a traceback."""
    return isinstance(exc, CinderException) and exc.safe and exc.code < 500
