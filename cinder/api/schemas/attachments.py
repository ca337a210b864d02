# SPDX-License-Identifier: Apache-2.0
"""Bodies of /attachments and its action."""
from cinder.api import microversions as mv
from cinder.api.schemas import base

_TEXT = base.nullable(base.text(0, 255))
# A connector is free-form, except for the keys that are stored in columns.
CONNECTOR = base.obj(_extra=True, host=_TEXT, mountpoint=_TEXT, mode=_TEXT)
MODE = base.one_of('rw', 'ro')
_CREATE = {'volume_uuid': base.UUID, 'instance_uuid': base.UUID,
           'connector': base.nullable(CONNECTOR)}

CREATE = [
    (mv.BASE, base.wrap('attachment', base.obj(['volume_uuid'], **_CREATE))),
    (mv.ATTACHMENT_MODE, base.wrap('attachment', base.obj(['volume_uuid'], **_CREATE, mode=MODE))),
]
UPDATE = base.wrap('attachment', base.obj(
    ['connector'], connector={**CONNECTOR, 'minProperties': 1}))
COMPLETE = base.wrap('os-complete', base.ANYTHING)
