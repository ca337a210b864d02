# SPDX-License-Identifier: Apache-2.0
"""A volume type with the data of its child tables."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class VolumeType(base.CinderObject):
    """A volume type; `encryption` and `qos_specs` are None when the type has none."""

    fields = {
        'id': fields.uuid(),
        'name': fields.string(),
        'description': fields.string(),
        'is_public': fields.boolean(),
        'qos_specs_id': fields.uuid(),
        'extra_specs': fields.texts(),
        'projects': fields.json(),
        'qos_specs': fields.json(),
        'encryption': fields.json(),
        'created_at': fields.time(),
        'updated_at': fields.time(),
    }

    def is_(self, key: str) -> bool:
        """Return whether the extra spec `key` has the value '<is> True'."""
        return (self.extra_specs or {}).get(key) == '<is> True'
