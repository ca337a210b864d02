# SPDX-License-Identifier: Apache-2.0
"""What drivers that know their volumes by a name say of those that may be taken over. What is
there, and what it may become, the drivers know."""
from collections.abc import Iterable
from typing import Any

from cinder import exception
from cinder.i18n import _

GIB = 1024 ** 3
KEY = 'source-name'
MANAGED = 'already managed'


def entry(name: str, size: int, owner: Any = None, trouble: str | None = None,
          **more: Any) -> dict[str, Any]:
    """One entry of a list of manageable things.

    :param size: bytes
    :param owner: the volume or snapshot that it is already
    :param trouble: why it had better not be taken over
    :param more: further keys
    """
    trouble = MANAGED if owner is not None else trouble
    return {'reference': {KEY: name}, 'size': -(-size // GIB), 'safe_to_manage': trouble is None,
            'reason_not_safe': trouble, 'cinder_id': None if owner is None else owner.id,
            'extra_info': None, **more}


def by_name(resources: Iterable[Any]) -> dict[str, Any]:
    """Name on the storage -> volume or snapshot."""
    return {resource.name: resource for resource in resources}


def name_in(reference: Any) -> str:
    """The name that a reference means.

    :raises ManageExistingInvalidReference: it names nothing
    """
    name = reference.get(KEY) if isinstance(reference, dict) else None
    if not isinstance(name, str) or not name:
        raise refused(reference, _('it has no %s') % KEY)
    return name


def refused(reference: Any, reason: str) -> exception.ManageExistingInvalidReference:
    """The error that says why a reference cannot be taken over."""
    return exception.ManageExistingInvalidReference(existing_ref=reference, reason=reason)
