# SPDX-License-Identifier: Apache-2.0
"""The CORS filter of oslo.middleware, with section [cors] of the configuration of this process: the
factory of the library would read the files again, and only those in /etc."""
from collections.abc import Callable

from oslo_middleware import cors

from cinder.conf import CONF


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Create the paste filter."""
    return lambda application: cors.CORS(application, CONF)
