# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests about the trash."""
from cinder.api.schemas import base

# A restore has no arguments; clients may send no body at all.
RESTORE = base.obj(restore=base.nullable(base.obj()))
