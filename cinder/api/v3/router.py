# SPDX-License-Identifier: Apache-2.0
"""Every URL of the API and the handler behind it. Read a resource's file for what it does.

Each path exists with and without `/{project_id}` in front, and with `.json` appended.
"""
from cinder.api import dispatch

ROUTES = {
}


class APIRouter(dispatch.Application):
    """The application that the paste file names."""

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'APIRouter':
        return cls(ROUTES)
