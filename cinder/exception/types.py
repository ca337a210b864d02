# SPDX-License-Identifier: Apache-2.0
"""Errors of volume types: extra specs, access, encryption, default types and QoS specs."""
from cinder.exception.base import Conflict, Invalid, NotFound
from cinder.i18n import _


class InvalidVolumeType(Invalid):
    message = _('Invalid volume type: %(reason)s')


class VolumeTypeInUse(Invalid):
    message = _('Volume type %(volume_type_id)s is in use by volumes; change their type or delete '
                'them first.')


class VolumeTypeDefaultDeletionError(Invalid):
    message = _('Volume type %(volume_type_id)s is a default type and cannot be deleted.')


class VolumeTypeNotFound(NotFound):
    message = _('Volume type %(volume_type_id)s could not be found.')


class VolumeTypeNotFoundByName(VolumeTypeNotFound):
    message = _('Volume type with name %(volume_type_name)s could not be found.')


class VolumeTypeExists(Conflict):
    message = _('Volume type %(id)s already exists.')


class VolumeTypeExtraSpecsNotFound(NotFound):
    message = _('Volume type %(volume_type_id)s has no extra spec with key '
                '%(extra_specs_key)s.')


class VolumeTypeAccessNotFound(NotFound):
    message = _('Project %(project_id)s has no access to volume type %(volume_type_id)s.')


class VolumeTypeAccessExists(Conflict):
    message = _('Project %(project_id)s already has access to volume type %(volume_type_id)s.')


class VolumeTypeEncryptionNotFound(NotFound):
    message = _('Volume type %(type_id)s has no encryption settings.')


class VolumeTypeEncryptionExists(Invalid):
    message = _('Volume type %(type_id)s already has encryption settings.')


class DefaultTypeNotFound(NotFound):
    message = _('Project %(project_id)s has no default volume type of its own.')


class QoSSpecsNotFound(NotFound):
    message = _('QoS specs %(specs_id)s could not be found.')


class QoSSpecsKeyNotFound(NotFound):
    message = _('QoS specs %(specs_id)s have no key %(specs_key)s.')


class QoSSpecsExists(Conflict):
    message = _('QoS specs %(specs_id)s already exist.')


class QoSSpecsInUse(Invalid):
    message = _('QoS specs %(specs_id)s are associated with volume types.')
