# SPDX-License-Identifier: Apache-2.0
"""A client of the API in this process; every answer is held against the OpenAPI document."""
import json
import pathlib
import urllib.parse
from typing import Any

import webob

from tests.api import documented

PROJECT = '0123456789abcdef0123456789abcdef'
PASTE = pathlib.Path(__file__).parents[2] / 'etc/cinder/api-paste.ini'
FAULTS = {400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound',
          405: 'badMethod', 409: 'conflictingRequest', 410: 'gone', 413: 'overLimit',
          415: 'badMediaType',
          429: 'overLimit', 503: 'serviceUnavailable'}


class Answer:
    """Status, headers and body of an answer; `json` is None for a body that is no JSON."""

    def __init__(self, response: webob.Response) -> None:
        self.status = response.status_int
        self.headers = response.headers
        self.body = response.body
        try:
            self.json = json.loads(response.body) if response.body else None
        except ValueError:
            self.json = None

    def fault(self, status: int) -> str:
        """The text of the fault, which has to have this status and the right layout."""
        assert self.status == status, (self.status, self.body)
        (name, inner), = self.json.items()
        assert name == FAULTS.get(status, 'computeFault')
        assert inner['code'] == status
        return inner['message']


class Api:
    """A small client.

    :param roles: sent as X-Roles, which narrows the rights; None is an administrator.
    """

    def __init__(self, app: Any, roles: str | None = None, project: str = PROJECT) -> None:
        self.app, self.roles, self.project = app, roles, project

    def as_roles(self, roles: str, project: str = PROJECT) -> 'Api':
        return Api(self.app, roles, project)

    def request(self, method: str, path: str, body: Any = None, mv: str | None = 'latest',
                headers: dict | None = None, raw: bytes | None = None,
                bare: bool = False) -> Answer:
        """`path` starts after the project id; `bare` takes it as it is."""
        url = path if bare else f'/v3/{self.project}{path}'
        request = webob.Request.blank(urllib.parse.quote(url, safe="/?&=%:,~+'{}@#"),
                                      method=method)
        request.headers['X-Auth-Token'] = f'user:{self.project}'
        if self.roles is not None:
            request.headers['X-Roles'] = self.roles
        if mv:
            request.headers['OpenStack-API-Version'] = f'volume {mv}'
        if body is not None or raw is not None:
            request.body = raw if raw is not None else json.dumps(body).encode()
            request.content_type = 'application/json'
        for name, value in (headers or {}).items():
            request.headers.pop(name, None)
            if value is not None:
                request.headers[name] = value
        answer = Answer(request.get_response(self.app))
        if not bare:
            documented.check(method, path, request.body, request.headers.get(
                'OpenStack-API-Version'), answer)
        return answer

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.request('GET', path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request('POST', path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request('PUT', path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self.request('DELETE', path, **kwargs)
