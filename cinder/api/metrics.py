# SPDX-License-Identifier: Apache-2.0
"""/metrics next to the API, for a token or for an allowed network. The port of the daemon itself,
see cinder.service.metrics_listener, needs neither."""
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

import webob

from cinder import exception, metrics
from cinder.api import deployment_metrics, wsgi
from cinder.api.middleware import auth
from cinder.conf import CONF
from cinder.policies import metrics as policy

# Key of the environment of a request from an allowed network.
ALLOWED = 'cinder.metrics_allowed'
# Headers by which a proxy says that it passes a request on.
_PROXIED = ('HTTP_FORWARDED', 'HTTP_X_FORWARDED_FOR', 'HTTP_VIA')


def pipeline_factory(loader: Any, _global_conf: dict, **local_conf: str) -> Callable:
    """Paste composite that selects the pipeline `allowed` for requests from allowed_networks, and
    otherwise the one named like auth_strategy; everything is unknown while the metrics are off."""
    if not CONF.metrics.enabled:
        return _unknown
    protected = auth.make_pipeline(loader, local_conf[CONF.auth_strategy])
    allowed = auth.make_pipeline(loader, local_conf['allowed'])
    networks = allowed_networks()

    def choose(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        environ[ALLOWED] = is_in(environ, networks)
        return (allowed if environ[ALLOWED] else protected)(environ, start_response)
    return choose


def _unknown(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
    return wsgi.not_found_response(environ)(environ, start_response)


def allowed_networks() -> list[Any]:
    """Return the networks of the option."""
    return [ipaddress.ip_network(text) for text in CONF.metrics.allowed_networks]


def is_in(environ: dict[str, Any], networks: list[Any]) -> bool:
    """Return whether the client itself is in one of the networks. That a proxy is in one says
    nothing of its clients, and what it says of them anyone can say."""
    if any(header in environ for header in _PROXIED):
        return False
    try:
        address = ipaddress.ip_address(environ.get('REMOTE_ADDR', '').partition('%')[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


class Page:
    """The application at /metrics; it has no other paths."""

    def __init__(self) -> None:
        self._deployment = deployment_metrics.Deployment()

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'Page':
        return cls()

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return self._answer(environ)(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> webob.Response:
        store = metrics.current()
        if store is None or environ.get('PATH_INFO', '').strip('/') or (
                environ['REQUEST_METHOD'] not in ('GET', 'HEAD')):
            raise exception.NotFound()
        if not environ[ALLOWED]:
            environ['cinder.context'].authorize(policy.GET)
        text = store.render(self._deployment)
        return webob.Response(text, headerlist=[('Content-Type', metrics.CONTENT_TYPE)])
