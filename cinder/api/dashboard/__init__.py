# SPDX-License-Identifier: Apache-2.0
"""The page at /dashboard: front.py has the login and what is in front of it, data.py what the page
shows, charts.py its bars. The page needs no JavaScript and changes nothing."""
from collections.abc import Callable, Iterable
from typing import Any

from cinder.api import wsgi
from cinder.api.dashboard import data, fields, html
from cinder.api.middleware import auth
from cinder.conf import CONF


def pipeline_factory(loader: Any, _global_conf: dict, **local_conf: str) -> Callable:
    """Paste composite that selects the pipeline named like auth_strategy; everything is unknown
    while the page is off."""
    if not CONF.dashboard.enabled:
        return _unknown
    return auth.make_pipeline(loader, local_conf[CONF.auth_strategy])


def _unknown(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
    return wsgi.not_found_response(environ)(environ, start_response)


class Page:
    """The application that answers with the page."""

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'Page':
        return cls()

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        ctxt = environ['cinder.context']
        refreshes = fields.of_query(environ).get('refresh') != '0'
        response = html.page(
            environ, 'page.html', **data.collect(ctxt), who=ctxt,
            refresh=CONF.dashboard.refresh_seconds if refreshes else None,
            with_login=CONF.auth_strategy == 'keystone')
        return response(environ, start_response)
