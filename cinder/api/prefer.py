# SPDX-License-Identifier: Apache-2.0
"""The header `Prefer: wait=N` (RFC 7240) of requests that start operations: their answer waits for
the end of the operations. An extension; without the header nothing here runs."""
import re
import time
from typing import Any

import webob

from cinder import context, exception
from cinder.api import waiters, wsgi
from cinder.api.middleware import fault
from cinder.api.views import volumes as volume_views
from cinder.conf import CONF
from cinder.db import backups, group_snapshots, groups, journal, snapshots, volumes
from cinder.i18n import _

HEADER, APPLIED = 'Prefer', 'Preference-Applied'
WAIT = ('wait=N: answer a request that starts an operation when it has ended, or after N seconds '
        'as without the header.')
TEXT = 'wait=N: the operation has ended, and the answer is about its result.'
# Least seconds between two looks at what requests wait for, and how many times the CPU time of the
# last one, so that looking takes 4 % of a processor at most.
INTERVAL, TIMES = 0.005, 25
# RFC 7240: names in any case, values plain or quoted, parameters behind a semicolon are ignored.
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)
# Kind of resource of an operation -> function (ctxt, id) that returns the object.
_LOADERS = {'volume': volumes.get, 'snapshot': snapshots.get, 'backup': backups.get,
            'group': groups.get, 'group_snapshot': group_snapshots.get}
# Name of a view of consistency groups -> kind of resource.
_LEGACY = {'consistencygroup': 'group', 'cgsnapshot': 'group_snapshot'}
# Views whose response needs more than a call with the object.
_RENDERERS = {volume_views.CHANGED: volume_views.render_changed}


def wanted_seconds(header: str | None) -> int:
    """Return how long the answer may wait; 0: not at all. Preferences that are unknown or malformed
    are ignored, as RFC 7240 requires; the answer then has no header Preference-Applied."""
    found = _WAIT.search(header) if header else None
    return min(int(found[1]), CONF.api_max_wait) if found else 0


def answer(req: wsgi.Request, handler: wsgi.Handler, response: webob.Response,
           seconds: int) -> webob.Response:
    """Return a response that is sent when the operations of the request have ended, or after so
    many seconds as it is; at once if it started none, or if too many requests wait."""
    if not (req.context.accepted and response.status_int == 202 and waiters.has_room(req.environ)):
        return response
    waiting = _Waiting(req, handler, response, seconds)
    POLLER.add(waiting)
    return waiters.wait(req.environ, waiting, response)


class _Waiting(waiters.Waiting):
    """A request whose answer waits.

    :ivar about: its id, and the ids of the resources whose operations have to end.
    """

    def __init__(self, req: wsgi.Request, handler: wsgi.Handler, response: webob.Response,
                 seconds: int) -> None:
        body, status = response.body, response.status
        kind = response.headers['Content-Type']
        super().__init__(
            seconds, lambda: webob.Response(body, status, [('Content-Type', kind)]), POLLER.remove)
        accepted = req.context.accepted
        # Not always of this request: one with an idempotency key may repeat another one.
        self.about = accepted[0].request_id, frozenset(
            ident for operation in accepted for ident in _resources(operation))
        self._req, self._handler, self._seconds = req, handler, seconds
        self._accepted: webob.Response = self._give_up()

    def end(self, ended: list[dict]) -> None:
        """Send the answer about the end of the operations."""
        try:
            response = self._result(ended)
        except Exception as exc:
            response = fault.fault_response(exc, self._req.environ)
        response.headers[APPLIED] = f'wait={self._seconds}'
        self.finish(response)

    def _result(self, ended: list[dict]) -> webob.Response:
        for row in ended:
            if row['state'] == 'failed':
                raise exception.OperationFailed(
                    row['verb'], row['resource_type'], row['resource_id'],
                    row['error'] or _('no reason is known'))
        return _current(self._req, self._handler) or self._accepted


def _resources(operation: Any) -> list[str]:
    """Return the ids of the resources whose operations have to end: that of the operation, and the
    backup that a new volume is restored from, which has an operation of its own afterwards."""
    return [operation.resource_id, *(
        value for name, value in operation.arguments.items()
        if name in ('backup_id', 'restored_backup_id'))]


def _current(req: wsgi.Request, handler: wsgi.Handler) -> webob.Response | None:
    """Return the response with the resource as it is now; None: the response does not have it."""
    shape = handler.spec.shape
    view = getattr(shape, '__self__', None)
    if view is None or shape.__name__ != 'one':
        return None
    kind = _LEGACY.get(view.name, view.name)
    # A backup starts another operation, on the snapshot that it reads.
    operation = next((each for each in reversed(req.context.accepted)
                      if each.resource_type == kind), None)
    if operation is None or kind not in _LOADERS:
        return None
    try:
        found = _LOADERS[kind](req.context, operation.resource_id)
    except exception.NotFound:  # it has been deleted since
        return None
    return wsgi.respond(req.environ, _RENDERERS.get(view, shape)(req, found), handler.spec.status)


def _look(those: list[Any]) -> None:
    began = time.thread_time()
    ended = journal.ended(context.get_admin_context(), {each.about for each in those})
    POLLER.interval = max(INTERVAL, TIMES * (time.thread_time() - began))
    for each in those:
        if each.about in ended:
            each.end(ended[each.about])


POLLER = waiters.Poller('operation-waiter', _look, INTERVAL)
