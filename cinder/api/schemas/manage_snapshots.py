# SPDX-License-Identifier: Apache-2.0
"""Bodies of /manageable_snapshots and of its legacy URL."""
from cinder.api.schemas import base

MANAGE = base.wrap('snapshot', base.obj(
    ['volume_id', 'ref'], name=base.nullable(base.text()),
    description=base.nullable(base.text(check='printable')), volume_id=base.UUID,
    ref={'type': ['object', 'string', 'null']}, metadata=base.nullable(base.METADATA)))
