# SPDX-License-Identifier: Apache-2.0
"""Errors of requests to any resource: their form, version, permissions and rate."""
from cinder.exception.base import (
    CinderException,
    Invalid,
    NotAuthorized,
    NotFound,
    ServiceUnavailable,
)
from cinder.i18n import _


class InvalidInput(Invalid):
    message = _('Invalid input: %(reason)s')


class InvalidParameterValue(Invalid):
    message = _('Invalid value: %(err)s')


class InvalidAvailabilityZone(Invalid):
    message = _("Invalid input: availability zone '%(az)s' is unknown or has no service up.")


class InvalidHost(Invalid):
    message = _('Invalid host: %(reason)s')


class InvalidApiVersionString(Invalid):
    message = _("API version '%(version)s' is not of the form MAJOR.MINOR.")


class InvalidGlobalAPIVersion(Invalid):
    message = _('Version %(req_ver)s is not supported by the API; '
                'the lowest is %(min_ver)s, the highest %(max_ver)s.')
    code = 406


class InvalidContentType(Invalid):
    message = _('Content type %(content_type)s is not supported: a body must be JSON, with the '
                'header Content-Type: application/json.')
    code = 415


class MissingContentType(Invalid):
    message = _('The Content-Type header is missing: a body must be JSON, with the header '
                'Content-Type: application/json.')
    code = 415


class PolicyNotAuthorized(NotAuthorized):
    message = _('Policy does not allow %(action)s to be performed.')


class PolicyUndecided(ServiceUnavailable):
    message = _('The policy for %(action)s cannot be evaluated at this time.')


class TooManyRequests(CinderException):
    """:param seconds: time until the next request is accepted."""

    message = _('Too many requests; the next one is accepted in %(seconds)d seconds.')
    code = 429
    safe = True

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds=seconds)
        self.headers = {'Retry-After': str(seconds)}


class KeyReused(Invalid):
    message = _('The Idempotency-Key belongs to another request of the project; this one differs '
                'in: %(fields)s. A new request needs a new key.')
    code = 422


class KeyTaken(CinderException):
    message = _('Another request has used the idempotency key.')


class EventsDisabled(NotFound):
    message = _('Events are not recorded here; an operator can set events_enabled.')


class EventsGone(CinderException):
    message = _('The events after position %(position)d are not available: they were deleted '
                'because of their age, or do not exist. List the resources again, and go on from '
                'the position in the OpenStack-Event-Position header of GET /events.')
    code = 410
    safe = True


class TooManyWaiting(ServiceUnavailable):
    message = _('Too many requests wait here for something to happen. Try again later, or without '
                'waiting.')


class VersionNotFoundForAPIMethod(NotFound):
    message = _('The resource could not be found.')


class ExtensionNotFound(NotFound):
    message = _('Extension %(alias)s could not be found.')


class ProjectNotFound(NotFound):
    message = _('Project %(project_id)s could not be found.')


class MarkerNotFound(NotFound):
    message = _('Marker %(marker)s could not be found.')


class MessageNotFound(NotFound):
    message = _('Message %(message_id)s could not be found.')
