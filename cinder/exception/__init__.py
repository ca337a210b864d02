# SPDX-License-Identifier: Apache-2.0
"""All errors of the service: message, HTTP status, and whether a client may read the message.

cinder.api.middleware.fault turns them into responses. The modules divide the errors by topic; each
class is available as `cinder.exception.NAME`, the name under which peers of all releases look it up
in a message.
"""
from oslo_concurrency.processutils import ProcessExecutionError as ProcessExecutionError

from cinder.exception.backups import *  # noqa: F403
from cinder.exception.base import *  # noqa: F403
from cinder.exception.groups import *  # noqa: F403
from cinder.exception.images import *  # noqa: F403
from cinder.exception.operations import *  # noqa: F403
from cinder.exception.quotas import *  # noqa: F403
from cinder.exception.requests import *  # noqa: F403
from cinder.exception.services import *  # noqa: F403
from cinder.exception.storage import *  # noqa: F403
from cinder.exception.types import *  # noqa: F403
from cinder.exception.volumes import *  # noqa: F403

for _error in list(vars().values()):
    if isinstance(_error, type) and _error.__module__.startswith(f'{__name__}.'):
        _error.__module__ = __name__
