# SPDX-License-Identifier: Apache-2.0
"""Errors that drivers and targets raise."""
from cinder.exception.base import CinderException, ServiceUnavailable
from cinder.i18n import _


class VolumeBackendAPIException(CinderException):
    message = _('Bad or unexpected response from the storage backend: %(data)s')


class VolumeDriverException(CinderException):
    message = _('The volume driver reported an error: %(message)s')


class BackendUnresponsive(VolumeBackendAPIException):
    """What was asked of the storage may still happen. `busy`: it answers others meanwhile."""

    message = _('The backend does not answer: %(data)s')
    busy = False


class InsufficientFreeSpace(VolumeBackendAPIException):
    message = _('The backend has too little room: %(data)s')


class VolumeIsBusy(CinderException):
    message = _('Volume %(volume_name)s is busy: %(reason)s')


class SnapshotIsBusy(CinderException):
    message = _('Snapshot %(snapshot_name)s is busy: %(reason)s')


class DriverNotInitialized(ServiceUnavailable):
    message = _('The volume driver is not ready.')
