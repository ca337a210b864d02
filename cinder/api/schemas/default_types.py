# SPDX-License-Identifier: Apache-2.0
"""The body that gives a project a default volume type."""
from cinder.api.schemas import base as s

SET = s.obj(['default_type'], _extra=True,
            default_type=s.obj(['volume_type'], volume_type=s.NAME))
