# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests about services."""
from cinder.api.schemas import base as s

_CLUSTER = s.nullable(s.text(0, 255))
_HOST = s.nullable(s.HOST)
_WHO = {'binary': s.text(1, 255), 'host': _HOST, 'cluster': _CLUSTER, 'service': s.text(1, 255)}
_BINARIES = s.one_of('cinder-scheduler', 'cinder-volume', 'cinder-backup', 'cinder-api', '', '*')
_LOGS = {'binary': _BINARIES, 'server': _CLUSTER, 'prefix': _CLUSTER}

UPDATE = s.any_of_keys(s.obj(**_WHO), 'binary', 'service')
DISABLE_REASON = s.any_of_keys(
    s.obj(**_WHO, disabled_reason=s.text(1, 255, check='trimmed 1-255')), 'binary', 'service')
GET_LOG = s.obj(**_LOGS)
SET_LOG = s.obj(**_LOGS, level=s.nullable(s.text(0, 255, check='log level')))
BACKEND = s.obj(cluster=_CLUSTER, host=_HOST)
FAILOVER = s.obj(cluster=_CLUSTER, host=_HOST, backend_id=_CLUSTER)
