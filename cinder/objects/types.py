# SPDX-License-Identifier: Apache-2.0
"""A volume type with the data of its child tables."""
from collections.abc import Mapping

from cinder.objects import base, fields, qos


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

    def qos_of(self, size: int) -> dict[str, str | int]:
        """Return the QoS specs for a volume of `size` GiB; :raises ValueError: one is no number."""
        return qos.of_size((self.qos_specs or {}).get('specs') or {}, size)


def wants_thick(extra_specs: Mapping[str, str]) -> bool:
    """Return whether a volume type with these extra specs asks for thick provisioning."""
    if not extra_specs:
        return False
    wanted = (extra_specs.get(scope + 'thick_provisioning_support')
              for scope in ('', 'capabilities:'))
    return (extra_specs.get('provisioning:type') == 'thick'
            or any(str(value).strip().lower() in ('true', 'yes', '1', '<is> true')
                   for value in wanted))
