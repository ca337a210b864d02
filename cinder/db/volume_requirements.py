# SPDX-License-Identifier: Apache-2.0
"""What a transition of a volume may require beside the status, see transitions.Requirement."""
import dataclasses
from collections.abc import Callable

import sqlalchemy as sa

from cinder.db import models, transitions

_T = models.Volume.__table__
_SNAPSHOTS = models.Snapshot.__table__
_ATTACHMENTS = models.VolumeAttachment.__table__


def no_snapshots() -> transitions.Requirement:
    """No snapshot was taken of the volume that still exists."""
    return transitions.none_of(_T, _SNAPSHOTS, _SNAPSHOTS.c.volume_id == _T.c.id,
                               otherwise='has snapshots:')


def snapshots_available() -> transitions.Requirement:
    """Nothing is being done to a snapshot of the volume."""
    return transitions.none_of(_T, _SNAPSHOTS, _SNAPSHOTS.c.volume_id == _T.c.id,
                               _SNAPSHOTS.c.status != 'available',
                               otherwise='has snapshots that are not available:')


def no_attachments() -> transitions.Requirement:
    """No server or host has the volume, or has reserved it."""
    return transitions.none_of(_T, _ATTACHMENTS, _ATTACHMENTS.c.volume_id == _T.c.id,
                               otherwise='has attachments:')


def not_attached() -> transitions.Requirement:
    """No server or host has the volume."""
    return dataclasses.replace(no_attachments(), holds=_T.c.attach_status != 'attached',
                               otherwise='is attached:')


def is_attached() -> transitions.Requirement:
    """A server or host has the volume."""
    return transitions.Requirement(_T.c.attach_status == 'attached', 'is not attached')


def not_migrating() -> transitions.Requirement:
    """No migration of the volume is under way."""
    return transitions.Requirement(
        sa.or_(_T.c.migration_status.is_(None),
               _T.c.migration_status.in_(('deleting', 'error', 'success'))),
        'is being migrated')


def not_moving_in_use() -> transitions.Requirement:
    """No migration of a volume in use is under way. The compute service copies it, and no later
    change ends that: what is done to it meanwhile stays behind on the old back end."""
    return transitions.Requirement(
        sa.or_(_T.c.attach_status != 'attached', not_migrating().holds),
        'is in use and is being migrated')


def size_is(size: int) -> Callable[[], transitions.Requirement]:
    """For a transition: the volume has not been resized since it was loaded."""
    requirement = transitions.Requirement(_T.c.size == size, f'is not of {size} GiB any more')
    return lambda: requirement


def not_replicated() -> transitions.Requirement:
    """No other back end keeps a copy of the volume."""
    return transitions.Requirement(
        sa.or_(_T.c.replication_status.is_(None),
               _T.c.replication_status.in_(('disabled', 'not-capable'))), 'is replicated')


def no_group() -> transitions.Requirement:
    """The volume is in no group."""
    return transitions.Requirement(_T.c.group_id.is_(None), 'is in group',
                                   sa.select(_T.c.group_id))


def in_group(group_id: str) -> transitions.Requirement:
    """The volume is in this group."""
    return transitions.Requirement(_T.c.group_id == group_id, f'is not in group {group_id}')
