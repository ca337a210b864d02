# SPDX-License-Identifier: Apache-2.0
"""Body that enables or disables a host."""
from cinder.api.schemas import base as s

UPDATE = s.obj(['status'], _extra=True, status=s.one_of('enable', 'disable'))
