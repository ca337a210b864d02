# SPDX-License-Identifier: Apache-2.0
"""The registry of versioned objects, their base class, and their serializer for RPC messages.

Objects are plain data. They never query the database.
"""
from collections.abc import Mapping
from typing import Any, Self

from oslo_versionedobjects import base
from oslo_versionedobjects import exception as ovo_exception

from cinder import exception

# The history of all object versions. A release that changes an object appends a row with the
# changed objects. A service publishes the number of its last row in the services table, and other
# services send it nothing newer than that row.
HISTORY: tuple[tuple[str, dict[str, str]], ...] = (
    ('1.0', {'Backup': '1.0', 'Cluster': '1.0', 'Group': '1.0', 'GroupSnapshot': '1.0',
             'GroupType': '1.0', 'Operation': '1.0', 'RequestSpec': '1.0', 'Service': '1.0',
             'Snapshot': '1.0', 'Volume': '1.0', 'VolumeAttachment': '1.0', 'VolumeType': '1.0'}),
)
CURRENT_VERSION = HISTORY[-1][0]


def manifest(version: str) -> dict[str, str]:
    """Return class name -> object version that a service of history `version` understands. A
    service of a later release understands all versions of this release.

    :raises CappedVersionUnknown: the history has no row `version`, or it is of another major
        version.
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
    """Return whether `version` belongs to a later release of the same major version."""
    major, _, minor = version.partition('.')
    our_major, _, our_minor = CURRENT_VERSION.partition('.')
    return major == our_major and minor.isdigit() and int(minor) > int(our_minor)


class CinderObjectRegistry(base.VersionedObjectRegistry):
    """The classes that the serializer can deserialize."""


class CinderObject(base.VersionedObject):
    """Base class of all objects, with attribute access, item access for drivers, and creation from
    database rows."""

    OBJ_PROJECT_NAMESPACE = 'cinder'
    VERSION = '1.0'

    @classmethod
    def from_row(cls, row: Mapping[str, object], **extra: object) -> Self:
        """Return an object with the values of a database row.

        :param row: column name -> value; columns that are not fields are ignored.
        :param extra: further fields, such as metadata, that other tables hold.
        """
        fields = cls.fields
        made = cls()
        # As the setter of a field does, without the notes of changes, which are twice the time.
        stored = made.__dict__
        known = {name: value for name, value in row.items() if name in fields}
        for name, value in {**known, **extra}.items():
            stored[f'_obj_{name}'] = fields[name].coerce(made, name, value)
        return made

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)

    def get(self, name: str, default: object = None) -> Any:
        """Return the value of a field or property, or `default` when it is not set."""
        try:
            return getattr(self, name)
        except (AttributeError, ovo_exception.ObjectActionError):
            return default

    def obj_load_attr(self, name: str) -> None:
        raise AttributeError(f'{self.obj_name()} has no value for the field {name}')


class CinderObjectSerializer(base.VersionedObjectSerializer):
    """Serialize objects in the versions that the oldest running service understands, and
    deserialize them.

    :param version_cap: a number of HISTORY; None sends the current versions.
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
        """Return the primitive form of an object, of a list, tuple or dictionary of objects, or of
        a plain value."""
        if isinstance(entity, (list, tuple, set, dict)):
            return self._process_iterable(context, self.serialize_entity, entity)
        if isinstance(entity, CinderObject):
            return entity.obj_to_primitive(target_version=self._get_capped_obj_version(entity),
                                           version_manifest=self.versions)
        return entity
