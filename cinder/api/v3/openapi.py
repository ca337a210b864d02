# SPDX-License-Identifier: Apache-2.0
"""The API's description of itself. What it says is cinder.api.openapi's business."""
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import webob

from cinder.api import urls, wsgi
from cinder.api.views import shapes

if TYPE_CHECKING:
    from cinder.api import openapi


def show_of(routes: 'openapi.Routes') -> Callable:
    """The handler that describes a table of routes."""
    # The base of the URLs is the caller's word, so not many of them are remembered.
    @functools.lru_cache(maxsize=8)
    def rendered(version: int | None, base: str) -> bytes:
        from cinder.api import openapi  # hardly anybody asks
        return wsgi.dumps(openapi.document(routes, version, base))

    @wsgi.response(200, shapes.OBJECT)
    def show(req: wsgi.Request) -> webob.Response:
        """With a version header what holds there, without one all versions."""
        version = req.api_version if req.headers.get(wsgi.VERSION_HEADER) else None
        return webob.Response(rendered(version, urls.base_url(req)), content_type=wsgi.JSON)
    return show
