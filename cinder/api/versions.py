# SPDX-License-Identifier: Apache-2.0
"""The version documents: GET / without a token, GET /v3/ and GET /v3/{project_id}/ with one."""
from collections.abc import Callable, Iterable
from typing import Any

import webob

from cinder.api import microversions as mv
from cinder.api import urls, wsgi

DOCUMENTATION = 'https://docs.openstack.org/'
UPDATED = '2023-08-31T00:00:00Z'


def version_document(req: wsgi.Request) -> dict[str, list[dict[str, Any]]]:
    """Return the API versions of this endpoint: only v3."""
    return {'versions': [{
        'id': 'v3.0',
        'status': 'CURRENT',
        'version': mv.text(mv.MAX),
        'min_version': mv.text(mv.MIN),
        'updated': UPDATED,
        'links': [{'rel': 'describedby', 'type': 'text/html', 'href': DOCUMENTATION},
                  {'rel': 'self', 'href': urls.base_url(req) + '/v3/'}],
        'media-types': [{'base': wsgi.JSON, 'type': wsgi.VENDOR_JSON + ';version=3'}],
    }]}


def show_v3(req: wsgi.Request) -> webob.Response:
    """Answer GET /v3 and GET /v3/{project_id}, with and without a trailing slash. Clients use it to
    find the supported versions, so the version header is ignored."""
    return wsgi.respond(req.environ, version_document(req))


class Versions:
    """The application at the root of the endpoint; it has no other paths."""

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'Versions':
        return cls()

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        if not environ.get('PATH_INFO', '').strip('/'):
            response = wsgi.respond(environ, version_document(wsgi.Request(environ)), 300)
        else:
            response = wsgi.not_found_response(environ)
        return response(environ, start_response)
