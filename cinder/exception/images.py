# SPDX-License-Identifier: Apache-2.0
"""Errors of images and of the image service."""
from cinder.exception.base import (
    CinderException,
    Conflict,
    Invalid,
    NotFound,
    QuotaError,
    ServiceUnavailable,
)
from cinder.i18n import _


class ImageNotFound(NotFound):
    message = _('Image %(image_id)s could not be found.')


class NoImageService(Invalid):
    message = _('No image service is configured.')


class ImageUnacceptable(Invalid):
    message = _('Image %(image_id)s cannot be used: %(reason)s')


class ImageTooLarge(ImageUnacceptable):
    """The volume is too small for the image; a larger one may have it."""


class ImageNameAmbiguous(Conflict):
    message = _("Multiple matches found for '%(name)s', use an ID to be more specific: %(ids)s")


class ImageConflict(Conflict):
    message = _('The image service cannot process the request in the current state: %(reason)s')


class ImageLimitExceeded(QuotaError):
    message = _('A limit of the image service is exceeded: %(reason)s')


class ImageServiceUnavailable(ServiceUnavailable):
    message = _('The image service is unavailable at this time.')


class NoRoomForConversion(CinderException):
    message = _('The volume service does not have enough disk space to convert the image.')
    safe = True
