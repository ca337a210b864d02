# SPDX-License-Identifier: Apache-2.0
"""Answers for browsers, from oslo.middleware, by [cors] of the configuration that this process
has read: the library's own factory would read the files again, and only those in /etc."""
from collections.abc import Callable

from oslo_middleware import cors

from cinder.conf import CONF


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Paste filter."""
    return lambda application: cors.CORS(application, CONF)
