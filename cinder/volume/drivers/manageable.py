# SPDX-License-Identifier: Apache-2.0
"""Entries of manageable volumes and snapshots, for drivers that know them by name. The drivers
decide what exists and whether it can be managed."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from cinder import exception
from cinder.i18n import _
from cinder.volume.driver_types import Manageable, Reference
from cinder.volume.drivers import trash_names

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume

GIB = 1024 ** 3
KEY = 'source-name'
MANAGED = 'already managed'
Resource = TypeVar('Resource', 'Volume', 'Snapshot')


def entry(name: str, size: int, owner: Volume | Snapshot | None = None,
          trouble: str | None = None) -> Manageable:
    """Return one entry of a list of manageable volumes or snapshots.

    :param size: bytes
    :param owner: the volume or snapshot that manages it already
    :param trouble: reason why it is not safe to manage
    """
    trouble = MANAGED if owner is not None else trouble
    return {'reference': {KEY: name}, 'size': -(-size // GIB), 'safe_to_manage': trouble is None,
            'reason_not_safe': trouble, 'cinder_id': None if owner is None else owner.id,
            'extra_info': None}


def snapshot_entry(name: str, size: int, source: str | None, owner: Snapshot | None = None,
                   trouble: str | None = None) -> Manageable:
    """Return one entry of a list of manageable snapshots.

    :param source: name of the volume of the snapshot; None when it is unknown
    """
    return {**entry(name, size, owner, trouble),
            'source_reference': {KEY: source} if source else {}}


def by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Return name on the storage -> volume or snapshot."""
    return {resource.name: resource for resource in resources}


def name_in(reference: Reference) -> str:
    """Return the name in a reference.

    :raises ManageExistingInvalidReference: it has no name, or that of something in the trash
    """
    name = reference.get(KEY) if isinstance(reference, dict) else None
    if not isinstance(name, str) or not name:
        raise refused(reference, _("it has no '%s'") % KEY)
    if trash_names.is_kept(name):
        raise refused(reference, _('it is in the trash: restore it from there'))
    return name


def refused(reference: Reference, reason: str) -> exception.ManageExistingInvalidReference:
    """Return the error that says why a reference cannot be managed."""
    return exception.ManageExistingInvalidReference(existing_ref=reference, reason=reason)
