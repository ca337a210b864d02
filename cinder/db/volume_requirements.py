# SPDX-License-Identifier: Apache-2.0
"""Requirements of transitions of a volume besides the status, see transitions.Requirement."""
import dataclasses
from collections.abc import Callable, Collection

import sqlalchemy as sa

from cinder.db import models, transitions

_T = models.Volume.__table__
_SNAPSHOTS = models.Snapshot.__table__
_ATTACHMENTS = models.VolumeAttachment.__table__


@transitions.kept
def no_snapshots() -> transitions.Requirement:
    """Require that the volume has no snapshots."""
    return no_snapshots_but()()


def no_snapshots_but(ids: Collection[str] = ()) -> Callable[[], transitions.Requirement]:
    """Return the requirement that the volume has no other snapshots than these."""
    others = [_SNAPSHOTS.c.id.not_in(ids)] if ids else []
    return lambda: transitions.none_of(_T, _SNAPSHOTS, _SNAPSHOTS.c.volume_id == _T.c.id, *others,
                                       otherwise='has snapshots:')


@transitions.kept
def snapshots_available() -> transitions.Requirement:
    """Require that all snapshots of the volume are available."""
    return transitions.none_of(_T, _SNAPSHOTS, _SNAPSHOTS.c.volume_id == _T.c.id,
                               _SNAPSHOTS.c.status != 'available',
                               otherwise='has snapshots that are not available:')


@transitions.kept
def no_attachments() -> transitions.Requirement:
    """Require that the volume has no attachments and is not reserved."""
    return transitions.none_of(_T, _ATTACHMENTS, _ATTACHMENTS.c.volume_id == _T.c.id,
                               otherwise='has attachments:')


@transitions.kept
def not_attached() -> transitions.Requirement:
    """Require that the volume is not attached."""
    return dataclasses.replace(no_attachments(), holds=_T.c.attach_status != 'attached',
                               otherwise='is attached:')


@transitions.kept
def is_attached() -> transitions.Requirement:
    """Require that the volume is attached."""
    return transitions.Requirement(_T.c.attach_status == 'attached', 'is not attached')


@transitions.kept
def not_migrating() -> transitions.Requirement:
    """Require that the volume is not being migrated."""
    return transitions.Requirement(
        sa.or_(_T.c.migration_status.is_(None),
               _T.c.migration_status.in_(('deleting', 'error', 'success'))),
        'is being migrated')


@transitions.kept
def not_moving_in_use() -> transitions.Requirement:
    """Require that no migration of an in-use volume runs. The compute service copies such a volume,
    and does not stop for a later change, which would be lost on the old back end."""
    return transitions.Requirement(
        sa.or_(_T.c.attach_status != 'attached', not_migrating().holds),
        'is in use and is being migrated')


def size_is(size: int) -> Callable[[], transitions.Requirement]:
    """Return the requirement that the volume has not been resized since it was loaded."""
    requirement = transitions.Requirement(_T.c.size == size, f'no longer has {size} GiB')
    return lambda: requirement


@transitions.kept
def not_replicated() -> transitions.Requirement:
    """Require that no other back end has a copy of the volume."""
    return transitions.Requirement(
        sa.or_(_T.c.replication_status.is_(None),
               _T.c.replication_status.in_(('disabled', 'not-capable'))), 'is replicated')


@transitions.kept
def no_group() -> transitions.Requirement:
    """Require that the volume is in no group."""
    return transitions.Requirement(_T.c.group_id.is_(None), 'is in group',
                                   sa.select(_T.c.group_id))


def in_group(group_id: str) -> transitions.Requirement:
    """Require that the volume is in this group."""
    return transitions.Requirement(_T.c.group_id == group_id, f'is not in group {group_id}')
