# SPDX-License-Identifier: Apache-2.0
"""Errors that drivers and targets raise."""
from cinder.exception.base import CinderException, ServiceUnavailable
from cinder.i18n import _


class VolumeBackendAPIException(CinderException):
    message = _('Bad or unexpected response from the storage backend: %(data)s')


class VolumeDriverException(CinderException):
    message = _('The volume driver reported an error: %(message)s')


class BackendUnresponsive(VolumeBackendAPIException):
    """The requested change may still happen. `busy`: the storage responds to other requests."""

    message = _('The back end does not respond: %(data)s')
    busy = False


class InsufficientFreeSpace(VolumeBackendAPIException):
    message = _('The back end does not have enough free space: %(data)s')


class VolumeIsBusy(CinderException):
    message = _('Volume %(volume_name)s is busy: %(reason)s')


class SnapshotIsBusy(CinderException):
    message = _('Snapshot %(snapshot_name)s is busy: %(reason)s')


class DriverNotInitialized(ServiceUnavailable):
    message = _('The volume driver is not initialized.')


class InvalidReplicationTarget(CinderException):
    """Nothing was changed."""

    message = _('The replication target is not valid: %(reason)s')
    safe = True


class UnableToFailOver(CinderException):
    """Nothing was changed that keeps the present copy from being used."""

    message = _('The back end cannot fail over: %(reason)s')
    safe = True


class CopiesIncomplete(CinderException):
    """The copies do not have all data yet.

    :param reason: which copies, and what is known of them
    :param target: id of the back end that has them
    :param within: seconds to wait for them, from the first time that this is raised
    :param promotions: the copies are being put into use, which takes a moment
    """

    message = _('The copies are not complete: %(reason)s')
    safe = True

    def __init__(self, reason: str, target: str, within: float, promotions: bool = False) -> None:
        super().__init__(reason=reason)
        self.reason, self.target, self.within = reason, target, within
        self.what = f'{"promotions" if promotions else "complete copies"} on {target}'
