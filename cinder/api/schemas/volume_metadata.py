# SPDX-License-Identifier: Apache-2.0
"""Bodies with the metadata of a volume: all of it, or one key."""
from cinder.api.schemas import base

ALL = base.wrap('metadata', base.METADATA)
ONE = base.wrap('meta', {**base.METADATA, 'minProperties': 1, 'maxProperties': 1})
