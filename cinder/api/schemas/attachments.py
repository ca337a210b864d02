# SPDX-License-Identifier: Apache-2.0
"""Bodies of /attachments and its action."""
from cinder.api import microversions as mv
from cinder.api.schemas import base

MODE = base.one_of('rw', 'ro')
_CREATE = {'volume_uuid': base.UUID, 'instance_uuid': base.UUID,
           'connector': base.nullable(base.OBJECT)}

CREATE = [
    (mv.BASE, base.wrap('attachment', base.obj(['volume_uuid'], **_CREATE))),
    (mv.ATTACHMENT_MODE, base.wrap('attachment', base.obj(['volume_uuid'], **_CREATE, mode=MODE))),
]
UPDATE = base.wrap('attachment', base.obj(
    ['connector'], connector={**base.OBJECT, 'minProperties': 1}))
COMPLETE = base.wrap('os-complete', base.ANYTHING)
