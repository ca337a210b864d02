# SPDX-License-Identifier: Apache-2.0
"""Counts and measures the requests of the API, by route rather than by URL. dispatch.py stores the
route of a request in its environment."""
import time
from collections.abc import Callable, Iterable
from typing import Any

from cinder import metrics

# Key of the environment with the row of the table of routes.
ROUTE = 'cinder.route'
# Label of what has no row: /healthcheck, the list of versions, unknown paths.
OTHER = 'other'
_METHODS = frozenset(('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'))


def measured(application: Callable) -> Callable:
    """Return the application with metrics; the unchanged application if they are off."""
    if not metrics.is_on():
        return application

    def measure(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        began, code = time.perf_counter(), '500'

        def note_status(status: str, *args: Any) -> Any:
            nonlocal code
            code = status[:3]
            return start_response(status, *args)
        try:
            return application(environ, note_status)
        finally:
            method = environ['REQUEST_METHOD']
            method = method if method in _METHODS else OTHER
            route = environ.get(ROUTE, OTHER)
            metrics.count('cinder_api_requests_total', route, method, code)
            metrics.observe('cinder_api_request_seconds', time.perf_counter() - began, route,
                            method)
    return measure
