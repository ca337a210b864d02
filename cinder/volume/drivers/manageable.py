# SPDX-License-Identifier: Apache-2.0
"""What drivers that know their volumes by a name say of those that may be taken over. What is
there, and what it may become, the drivers know."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from cinder import exception
from cinder.i18n import _
from cinder.volume.driver_types import Manageable, Reference

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume

GIB = 1024 ** 3
KEY = 'source-name'
MANAGED = 'already managed'
Resource = TypeVar('Resource', 'Volume', 'Snapshot')


def entry(name: str, size: int, owner: Volume | Snapshot | None = None,
          trouble: str | None = None) -> Manageable:
    """One entry of a list of manageable things.

    :param size: bytes
    :param owner: the volume or snapshot that it is already
    :param trouble: why it had better not be taken over
    """
    trouble = MANAGED if owner is not None else trouble
    return {'reference': {KEY: name}, 'size': -(-size // GIB), 'safe_to_manage': trouble is None,
            'reason_not_safe': trouble, 'cinder_id': None if owner is None else owner.id,
            'extra_info': None}


def snapshot_entry(name: str, size: int, source: str | None, owner: Snapshot | None = None,
                   trouble: str | None = None) -> Manageable:
    """Likewise of a snapshot.

    :param source: name of the volume that it is of; None: nobody knows
    """
    return {**entry(name, size, owner, trouble),
            'source_reference': {KEY: source} if source else {}}


def by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Name on the storage -> volume or snapshot."""
    return {resource.name: resource for resource in resources}


def name_in(reference: Reference) -> str:
    """The name that a reference means.

    :raises ManageExistingInvalidReference: it names nothing
    """
    name = reference.get(KEY) if isinstance(reference, dict) else None
    if not isinstance(name, str) or not name:
        raise refused(reference, _('it has no %s') % KEY)
    return name


def refused(reference: Reference, reason: str) -> exception.ManageExistingInvalidReference:
    """The error that says why a reference cannot be taken over."""
    return exception.ManageExistingInvalidReference(existing_ref=reference, reason=reason)
