# SPDX-License-Identifier: Apache-2.0
"""Body that sets the default volume type of a project."""
from cinder.api.schemas import base as s

SET = s.obj(['default_type'], _extra=True,
            default_type=s.obj(['volume_type'], volume_type=s.NAME))
