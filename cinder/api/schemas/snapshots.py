# SPDX-License-Identifier: Apache-2.0
"""Bodies of /snapshots."""
from cinder.api.schemas import base

_NAME = base.nullable(base.text(0, 255))
_DESCRIPTION = base.nullable(base.text(0, 255, check='printable'))

CREATE = base.wrap('snapshot', base.obj(
    ['volume_id'], name=_NAME, display_name=_NAME, description=_DESCRIPTION,
    volume_id=base.nullable(base.UUID), force=base.BOOLISH, metadata=base.nullable(base.METADATA)))

_UPDATE = {'name': _NAME, 'description': _DESCRIPTION, 'display_name': _NAME,
           'display_description': _DESCRIPTION}
UPDATE = base.wrap('snapshot', base.any_of_keys(base.obj(**_UPDATE), *_UPDATE))

# In contrast to volumes, further top-level keys are allowed.
METADATA = {**base.wrap('metadata', base.METADATA), 'additionalProperties': True}
META = {**base.wrap('meta', {**base.METADATA, 'minProperties': 1, 'maxProperties': 1}),
        'additionalProperties': True}
