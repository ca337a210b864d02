# SPDX-License-Identifier: Apache-2.0
"""Versioned objects: what crosses the bus and what changes state."""
import importlib

_MODULES = ('attachments', 'backups', 'groups', 'operations', 'services', 'snapshots', 'types',
            'volumes')
# Class name -> module, so that `objects.Volume` works without importing all of them at once.
_CLASSES = {
    'Backup': 'backups', 'Cluster': 'services', 'Group': 'groups', 'GroupSnapshot': 'groups',
    'GroupType': 'groups', 'Operation': 'operations', 'RequestSpec': 'operations',
    'Service': 'services', 'Snapshot': 'snapshots', 'Volume': 'volumes',
    'VolumeAttachment': 'attachments', 'VolumeType': 'types',
}


def register_all() -> None:
    """Import every object module, so that the bus can revive all classes."""
    for name in _MODULES:
        importlib.import_module(f'cinder.objects.{name}')


def __getattr__(name: str) -> type:
    if name in _CLASSES:
        return getattr(importlib.import_module(f'cinder.objects.{_CLASSES[name]}'), name)
    raise AttributeError(name)
