# SPDX-License-Identifier: Apache-2.0
"""The registry of versioned objects, the base class of all, and their serializer for the bus.

Objects are plain data: they cross the bus or change state. They never query.
"""
from collections.abc import Mapping
from typing import Any, Self

from oslo_versionedobjects import base
from oslo_versionedobjects import exception as ovo_exception

from cinder import exception

# The history of the whole set. A release that changes an object appends a row with the objects
# it changed; a service publishes the number of its last row in the services table, and peers
# send it nothing newer than what that row holds.
HISTORY: tuple[tuple[str, dict[str, str]], ...] = (
    ('1.0', {'Backup': '1.0', 'Cluster': '1.0', 'Group': '1.0', 'GroupSnapshot': '1.0',
             'GroupType': '1.0', 'Operation': '1.0', 'RequestSpec': '1.0', 'Service': '1.0',
             'Snapshot': '1.0', 'Volume': '1.0', 'VolumeAttachment': '1.0', 'VolumeType': '1.0'}),
)
CURRENT_VERSION = HISTORY[-1][0]


def manifest(version: str) -> dict[str, str]:
    """Class name -> object version that a peer of history `version` understands; a newer release
    than ours understands all that we know.

    :raises CappedVersionUnknown: the history has no such row, or the peer's is not comparable.
    """
    known: dict[str, str] = {}
    for number, changed in HISTORY:
        known.update(changed)
        if number == version:
            return known
    if _is_newer(version):
        return known
    raise exception.CappedVersionUnknown(version=version)


def _is_newer(version: str) -> bool:
    """Whether a later release of the same major version has this number."""
    major, _, minor = version.partition('.')
    our_major, _, our_minor = CURRENT_VERSION.partition('.')
    return major == our_major and minor.isdigit() and int(minor) > int(our_minor)


class CinderObjectRegistry(base.VersionedObjectRegistry):
    """The classes that the bus can revive."""


class CinderObject(base.VersionedObject):
    """Base of all objects: attribute access, item access for drivers, made from database rows."""

    OBJ_PROJECT_NAMESPACE = 'cinder'
    VERSION = '1.0'

    @classmethod
    def from_row(cls, row: Mapping[str, object], **extra: object) -> Self:
        """An object with the values of a database row.

        :param row: column name -> value; columns that are no fields are left out.
        :param extra: further fields, such as metadata, that other tables hold.
        """
        names = cls.fields
        values = {key: value for key, value in row.items() if key in names}
        values.update(extra)
        made = cls(**values)
        made.obj_reset_changes()
        return made

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)

    def get(self, name: str, default: object = None) -> Any:
        """The value of a field or property, `default` where it is not set."""
        try:
            return getattr(self, name)
        except (AttributeError, ovo_exception.ObjectActionError):
            return default

    def obj_load_attr(self, name: str) -> None:
        raise AttributeError(f'{self.obj_name()} was made without {name}')


class CinderObjectSerializer(base.VersionedObjectSerializer):
    """Turns objects into what the oldest peer understands, and back.

    :param version_cap: a number of HISTORY; None sends our own versions.
    """

    OBJ_BASE_CLASS = CinderObject

    def __init__(self, version_cap: str | None = None) -> None:
        super().__init__()
        self.versions = manifest(version_cap) if version_cap else None

    def _get_capped_obj_version(self, obj: CinderObject) -> str | None:
        if self.versions is None:
            return None
        target = self.versions.get(obj.obj_name())
        return None if target == obj.VERSION else target

    def serialize_entity(self, context: object, entity: object) -> object:
        """Primitive form of an object, a list, tuple or dictionary of them, or a plain value."""
        if isinstance(entity, (list, tuple, set, dict)):
            return self._process_iterable(context, self.serialize_entity, entity)
        if isinstance(entity, CinderObject):
            return entity.obj_to_primitive(target_version=self._get_capped_obj_version(entity),
                                           version_manifest=self.versions)
        return entity
