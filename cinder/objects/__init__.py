# SPDX-License-Identifier: Apache-2.0
"""Versioned objects: the resources that RPC messages carry and that operations change."""
import importlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cinder.objects.attachments import VolumeAttachment as VolumeAttachment
    from cinder.objects.backups import Backup as Backup
    from cinder.objects.base import CinderObject as CinderObject
    from cinder.objects.groups import Group as Group
    from cinder.objects.groups import GroupSnapshot as GroupSnapshot
    from cinder.objects.groups import GroupType as GroupType
    from cinder.objects.operations import Operation as Operation
    from cinder.objects.operations import RequestSpec as RequestSpec
    from cinder.objects.services import Cluster as Cluster
    from cinder.objects.services import Service as Service
    from cinder.objects.snapshots import Snapshot as Snapshot
    from cinder.objects.types import VolumeType as VolumeType
    from cinder.objects.volumes import Volume as Volume

    # What has a status and operations.
    Resource: TypeAlias = Volume | Snapshot | Backup | Group | GroupSnapshot

_MODULES = ('attachments', 'backups', 'groups', 'operations', 'services', 'snapshots', 'types',
            'volumes')
# Class name -> module: `objects.Volume` imports only the module that it needs.
_CLASSES = {
    'Backup': 'backups', 'CinderObject': 'base', 'Cluster': 'services', 'Group': 'groups',
    'GroupSnapshot': 'groups', 'GroupType': 'groups', 'Operation': 'operations',
    'RequestSpec': 'operations', 'Service': 'services', 'Snapshot': 'snapshots',
    'Volume': 'volumes', 'VolumeAttachment': 'attachments', 'VolumeType': 'types',
}


def register_all() -> None:
    """Import every object module, so that the serializer of the RPC layer knows all classes."""
    for name in _MODULES:
        importlib.import_module(f'cinder.objects.{name}')


if not TYPE_CHECKING:  # type checkers read the imports above
    def __getattr__(name: str) -> type:
        if name in _CLASSES:
            return getattr(importlib.import_module(f'cinder.objects.{_CLASSES[name]}'), name)
        raise AttributeError(name)
