# SPDX-License-Identifier: Apache-2.0
"""/readyz: whether this cinder-api can answer requests, and what it waits for. Without a token, it
names only what is missing; with one that may read the metrics, it also says why, and what the
services report."""
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import webob

from cinder import context, exception, failures, masking
from cinder.api import metrics as metrics_page
from cinder.api import wsgi
from cinder.api.middleware import auth
from cinder.conf import CONF
from cinder.db import services
from cinder.metrics import neighbours
from cinder.policies import metrics as policy
from cinder.rpc import base as rpc
from cinder.rpc import reachability

DATABASE, BROKER = 'database', 'message broker'
# Without this, a request fails; without the others, operations wait in the database.
NEEDED = frozenset((DATABASE,))
# Seconds for which a check is valid: load balancers ask often.
FRESH = 2.0


def pipeline_factory(loader: Any, _global_conf: dict, **local_conf: str) -> Callable:
    """Paste composite that selects the pipeline `open` for requests without a token, as those of
    load balancers, and otherwise the one named like auth_strategy."""
    protected = auth.make_pipeline(loader, local_conf[CONF.auth_strategy])
    public = auth.make_pipeline(loader, local_conf['open'])
    networks = metrics_page.allowed_networks()

    def choose(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        environ[metrics_page.ALLOWED] = metrics_page.is_in(environ, networks)
        asks = 'HTTP_X_AUTH_TOKEN' in environ or CONF.auth_strategy != 'keystone'
        return (protected if asks else public)(environ, start_response)
    return choose


class Check:
    """The checks of this process, made by one request at a time and shared by those meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._until = float('-inf')
        self._found: tuple[dict[str, str], list[dict[str, Any]]] = {}, []

    def result(self) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return what is missing -> why, and the rows of the services as they were reported."""
        with self._guard:
            if self._clock() >= self._until:
                self._found = self._look()
                self._until = self._clock() + FRESH
            return self._found

    @staticmethod
    def _look() -> tuple[dict[str, str], list[dict[str, Any]]]:
        missing, rows = {}, []
        try:
            rows = [_service(row) for row in services.list_rows(context.get_admin_context())]
        except exception.CinderException as exc:
            missing[DATABASE] = failures.one_line(exc.__cause__ or exc)
        trouble = reachability.find_trouble() if rpc.is_initialized() else None
        if trouble:
            missing[BROKER] = trouble
        missing |= {name: use.error for name, use in neighbours.failing().items()}
        return {name: masking.masked(reason) for name, reason in missing.items()}, rows


def _service(row: Any) -> dict[str, Any]:
    """Return what the row of a service says of it."""
    reported = row['updated_at']
    return {'service': f'{row["binary"]} on {row["host"]}', 'ready': bool(row['is_up']),
            'enabled': not row['disabled'], 'reason': row['disabled_reason'] or '',
            'reported_at': reported and reported.isoformat(timespec='seconds') + '+00:00'}


def report(check: Check, detailed: bool) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer.

    :param detailed: with the reasons, and the services
    """
    missing, rows = check.result()
    ready = not NEEDED.intersection(missing)
    body: dict[str, Any] = {
        'ready': ready, 'waits_for': sorted(NEEDED.intersection(missing)),
        'also_missing': sorted(missing.keys() - NEEDED)}
    if detailed:
        body |= {'reasons': missing, 'services': rows}
    return 200 if ready else 503, body


class Readyz:
    """The application at /readyz; it has no other paths."""

    def __init__(self) -> None:
        self._check = Check()

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'Readyz':
        return cls()

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        return self._answer(environ)(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> webob.Response:
        if environ.get('PATH_INFO', '').strip('/') or (
                environ['REQUEST_METHOD'] not in ('GET', 'HEAD')):
            raise exception.NotFound()
        ctxt = environ.get('cinder.context')
        detailed = environ[metrics_page.ALLOWED] or (ctxt is not None and ctxt.can(policy.GET))
        status, body = report(self._check, detailed)
        return wsgi.respond(environ, body, status)


def listener_page(states: Callable[[], list[dict[str, Any]]],
                  ) -> Callable[[], tuple[int, str, bytes]]:
    """Return the function that answers /readyz on the port of the metrics, for everyone who
    reaches it.

    :param states: returns the states of the other services in this process
    """
    check = Check()

    def page() -> tuple[int, str, bytes]:
        _status, body = report(check, detailed=True)
        own = states()
        if own:
            body['processes'] = own
            body['ready'] &= all(state['ready'] for state in own)
        return 200 if body['ready'] else 503, wsgi.JSON, json.dumps(body, indent=1).encode()
    return page
