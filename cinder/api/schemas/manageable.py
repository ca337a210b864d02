# SPDX-License-Identifier: Apache-2.0
"""Bodies of /manageable_volumes, /manageable_snapshots and of their legacy URLs."""
from cinder.api import microversions as mv
from cinder.api.schemas import base

_COMMON = {
    'name': base.nullable(base.text()),
    'description': base.nullable(base.text(check='printable')),
    'metadata': base.nullable(base.METADATA)}
_VOLUME = {
    **_COMMON, 'availability_zone': base.nullable(base.text()), 'bootable': base.BOOLISH,
    'volume_type': base.nullable(base.text()), 'host': base.nullable(base.HOST),
    'ref': {'type': ['object', 'string']}}

VOLUME = [
    (mv.BASE, base.wrap('volume', base.obj(['ref'], **_VOLUME))),
    (mv.MIGRATE_TO_CLUSTER, base.wrap('volume', base.obj(
        ['ref'], **_VOLUME, cluster=base.nullable(base.text())))),
]
SNAPSHOT = base.wrap('snapshot', base.obj(
    ['volume_id', 'ref'], **_COMMON, volume_id=base.UUID,
    ref={'type': ['object', 'string', 'null']}))
