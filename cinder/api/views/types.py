# SPDX-License-Identifier: Apache-2.0
"""Responses about volume types, and the extra specs that users can see."""
from collections.abc import Mapping

from cinder.api import wsgi
from cinder.api.views.base import Field, View
from cinder.policies import type_access, type_extra_specs
from cinder.policies import types as policy

# Extra specs that users need to use a type; the others are only for operators.
USER_VISIBLE = frozenset(('RESKEY:availability_zones', 'multiattach', 'replication_enabled'))


def visible_specs(req: wsgi.Request, specs: Mapping[str, str]) -> dict[str, str]:
    """Return the extra specs that the caller can see."""
    if req.context.can(type_extra_specs.READ_SENSITIVE):
        return dict(specs)
    return {key: value for key, value in specs.items() if key in USER_VISIBLE}


FIELDS = [
    Field('id'),
    Field('name'),
    Field('is_public'),
    Field('description'),
    Field('extra_specs', lambda req, row: visible_specs(req, row['extra_specs']),
          policy=policy.SEE_EXTRA_SPECS),
]
_QOS = Field('qos_specs_id', policy=policy.SEE_QOS_SPECS)
_ACCESS = Field('os-volume-type-access:is_public', 'is_public', policy=type_access.SEE_PUBLIC)

SHOWN = View('volume_type', 'volume_types', [*FIELDS, _QOS, _ACCESS], 'volume_type_links')
CREATED = View('volume_type', 'volume_types', [*FIELDS, _ACCESS])
UPDATED = View('volume_type', 'volume_types', FIELDS)
DEFAULT = View('volume_type', 'volume_types', [*FIELDS, _QOS])
