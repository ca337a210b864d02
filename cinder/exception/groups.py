# SPDX-License-Identifier: Apache-2.0
"""Errors of groups, their snapshots and their types."""
from cinder.exception.base import Conflict, Invalid, NotFound
from cinder.i18n import _


class InvalidGroup(Invalid):
    message = _('Invalid group: %(reason)s')


class GroupNotFound(NotFound):
    message = _('Group %(group_id)s could not be found.')


class InvalidGroupSnapshot(Invalid):
    message = _('Invalid group snapshot: %(reason)s')


class GroupSnapshotNotFound(NotFound):
    message = _('Group snapshot %(group_snapshot_id)s could not be found.')


class GroupTypeNotFound(NotFound):
    message = _('Group type %(group_type_id)s could not be found.')


class GroupTypeExists(Conflict):
    message = _('Group type %(id)s already exists.')


class GroupTypeInUse(Invalid):
    message = _('Group type %(group_type_id)s is in use by groups; delete them first.')


class GroupTypeSpecsNotFound(NotFound):
    message = _('Group type %(group_type_id)s has no group spec with key %(group_specs_key)s.')
