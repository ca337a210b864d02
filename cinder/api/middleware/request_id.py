# SPDX-License-Identifier: Apache-2.0
"""Gives each request an id before other filters see it. Our own paste file does not need it, since
fault.py does the same; those of the original name it, also before /healthcheck."""
from collections.abc import Callable, Iterable
from typing import Any

from oslo_context import context as oslo_context

ENVIRON = 'openstack.request_id'
HEADER = 'x-openstack-request-id'


class RequestId:
    """Middleware that stores the id in the environment and adds it to the response once."""

    def __init__(self, application: Callable) -> None:
        self.application = application

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> Callable:
        return cls

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        request_id = environ.setdefault(ENVIRON, oslo_context.generate_request_id())

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if not any(name.lower() == HEADER for name, _value in headers):
                headers = [*headers, (HEADER, request_id)]
            return start_response(status, headers, *rest)
        return self.application(environ, start)
