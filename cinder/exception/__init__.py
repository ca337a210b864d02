# SPDX-License-Identifier: Apache-2.0
"""Every error of the service: its text, its HTTP status and whether a client may read the text.

Raised where the problem is found; turned into an answer in one place only,
cinder.api.middleware.fault. The modules divide the errors by what they are about; each is known as
`cinder.exception.NAME`, to other code as on the bus, where peers of all releases look it up.
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
