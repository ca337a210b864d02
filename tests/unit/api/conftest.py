# SPDX-License-Identifier: Apache-2.0
"""A request as handlers get it."""
from cinder import context
from cinder.api import dispatch, wsgi

ROUTER = dispatch.Router(['/volumes/{volume_id}'])


def request(query='', version=71, admin=False, **environ):
    req = wsgi.Request({
        'REQUEST_METHOD': 'GET', 'QUERY_STRING': query, 'wsgi.url_scheme': 'http',
        'HTTP_HOST': 'h:1', 'SCRIPT_NAME': '/v3', 'PATH_INFO': '/p1/volumes', **environ})
    req.router = ROUTER
    req.api_version = version
    req.url_project = 'p1'
    req.context = context.RequestContext(is_admin=admin, project_id='p1', overwrite=False)
    return req
