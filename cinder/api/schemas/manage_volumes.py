# SPDX-License-Identifier: Apache-2.0
"""Bodies of /manageable_volumes and of its legacy URL."""
from cinder.api import microversions as mv
from cinder.api.schemas import base

_VOLUME = {
    'name': base.nullable(base.text()),
    'description': base.nullable(base.text(check='printable')),
    'availability_zone': base.nullable(base.text()), 'bootable': base.BOOLISH,
    'volume_type': base.nullable(base.text()), 'host': base.nullable(base.HOST),
    'ref': {'type': ['object', 'string']}, 'metadata': base.nullable(base.METADATA)}

MANAGE = [
    (mv.BASE, base.wrap('volume', base.obj(['ref'], **_VOLUME))),
    (mv.MIGRATE_TO_CLUSTER, base.wrap('volume', base.obj(
        ['ref'], **_VOLUME, cluster=base.nullable(base.text())))),
]
