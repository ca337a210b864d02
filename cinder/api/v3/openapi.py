# SPDX-License-Identifier: Apache-2.0
"""Handler of the OpenAPI document, which cinder.api.openapi generates."""
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import webob

from cinder.api import urls, wsgi
from cinder.api.views import shapes

if TYPE_CHECKING:
    from cinder.api import openapi


def make_handler(routes: 'openapi.Routes') -> Callable:
    """Return the handler that describes a table of routes."""
    # Clients influence the base URL, so only a few documents are cached.
    @functools.lru_cache(maxsize=8)
    def rendered(version: int | None, base: str) -> bytes:
        from cinder.api import openapi  # rarely needed
        return wsgi.dumps(openapi.make_document(routes, version, base))

    @wsgi.response(200, shapes.OBJECT)
    def show(req: wsgi.Request) -> webob.Response:
        """Describe the microversion of the header, or all versions without one."""
        version = req.api_version if req.headers.get(wsgi.VERSION_HEADER) else None
        return webob.Response(rendered(version, urls.base_url(req)), content_type=wsgi.JSON)
    return show
