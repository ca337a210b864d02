# SPDX-License-Identifier: Apache-2.0
"""A volume type with what its children tables hold."""
from cinder.objects import base, fields


@base.CinderObjectRegistry.register
class VolumeType(base.CinderObject):
    """`encryption` and `qos_specs` are None where the type has none."""

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
        """Whether the extra spec `key` says '<is> True'."""
        return (self.extra_specs or {}).get(key) == '<is> True'
