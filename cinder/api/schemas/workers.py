# SPDX-License-Identifier: Apache-2.0
"""Body of the cleanup of workers."""
from cinder.api.schemas import base as s

_PLACE = s.nullable(s.text(1, 255, pattern=r'^[a-zA-Z0-9-._#@:/+]*\Z'))

CLEANUP = s.obj(
    cluster_name=_PLACE, host=_PLACE, disabled=s.BOOLISH, is_up=s.BOOLISH,
    binary=s.one_of('cinder-volume', 'cinder-scheduler'), resource_id=s.UUID_OR_NULL,
    resource_type=s.nullable(s.any_case('volume', 'snapshot', '')),
    service_id=s.nullable(s.integer(0)))
