# SPDX-License-Identifier: Apache-2.0
"""Bodies of the actions on the access to private volume types."""
from cinder.api.schemas import base as s

_PROJECT = s.obj(['project'], project=s.text(1, 255))
ADD = s.wrap('addProjectAccess', _PROJECT)
REMOVE = s.wrap('removeProjectAccess', _PROJECT)
