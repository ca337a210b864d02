# SPDX-License-Identifier: Apache-2.0
"""Errors of Ceph by their error numbers, the same for librados and librbd. The callers turn them
into errors of their own."""
from __future__ import annotations

import errno


class CephError(Exception):
    """A call to Ceph failed.

    :ivar errno: number of the error, positive; 0: none
    """

    errno = 0

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.errno = number or self.errno


class BindingsMissing(CephError):
    """The Python bindings are not installed."""


class CannotConnect(CephError):
    """The cluster does not accept the user, or ceph.conf cannot be used."""


class Unreachable(CannotConnect):
    """The cluster does not answer."""


class NotFound(CephError):
    """The image, snapshot or pool does not exist."""


class Exists(CephError):
    """Something of that name exists."""


class Busy(CephError):
    """The image or snapshot is in use."""


class Locked(CephError):
    """Another client has the lock of the image, or had it when it was killed; or the image is a
    copy that follows another one."""


class HasSnapshots(CephError):
    """An image with snapshots cannot be removed."""


class TimedOut(CephError):
    """The cluster did not answer in time; what was asked may still happen."""


class ConnectionLost(CephError):
    """The cluster accepts nothing more from this connection, for instance because it is on the
    blocklist. Another connection may work."""


class Full(CephError):
    """The cluster or the pool is full, or the quota of the pool is reached."""


class Denied(CephError):
    """The user lacks the rights."""


class Unsupported(CephError):
    """The image or the cluster cannot do that."""


class Invalid(CephError):
    """Wrong arguments, or an image of another state."""


_BY_NUMBER: dict[int, type[CephError]] = {
    errno.ENOENT: NotFound, errno.EEXIST: Exists, errno.EBUSY: Busy, errno.EROFS: Locked,
    errno.ENOTEMPTY: HasSnapshots, errno.ETIMEDOUT: TimedOut, errno.ESHUTDOWN: ConnectionLost,
    errno.ENOTCONN: ConnectionLost, errno.ENOSPC: Full, errno.EDQUOT: Full, errno.EPERM: Denied,
    errno.EACCES: Denied, errno.EOPNOTSUPP: Unsupported, errno.ENOSYS: Unsupported,
    errno.EINVAL: Invalid, errno.EDOM: Invalid}


def translated(exc: BaseException, what: str) -> CephError | None:
    """Return the error for one that librados or librbd raised; None if it is not one of them.

    :param what: the call that failed, for the text
    """
    if type(exc).__module__ not in ('rados', 'rbd'):
        return None
    return from_number(abs(getattr(exc, 'errno', 0) or 0), what, str(exc) or type(exc).__name__)


def from_number(number: int, what: str, reason: str) -> CephError:
    """Return the error of a number.

    :param what: the call that failed
    :param reason: what Ceph said
    """
    return _BY_NUMBER.get(number, CephError)(f'{what}: {reason}', number)
