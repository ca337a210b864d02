# SPDX-License-Identifier: Apache-2.0
"""/faults, only with [DEFAULT] fault_injection: GET lists the faults that developers of clients
have asked for, POST adds one, DELETE removes one or all. cinder.injected_faults has them."""
import dataclasses
import fnmatch
import json
from collections.abc import Callable, Iterable
from typing import Any

import webob

from cinder import exception, injected_faults
from cinder.api import waiters, wsgi
from cinder.i18n import _
from cinder.objects.verbs import VERBS

# Seconds; a response that is lost is not sent in this time either.
_SECONDS = 60
_MOST_BYTES = 8192
# Steps of other operations, and the failover of a service: they meet no fault.
WITHOUT = ('group.schedule', 'volume.attach', 'volume.export', 'volume.schedule',
           'service.failover')


def application(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
    """The WSGI application."""
    request = webob.Request(environ)
    try:
        status, answer = _answer(request)
    except exception.CinderException as exc:
        status, answer = exc.code, {'error': {'code': exc.code, 'message': str(exc)}}
    response = webob.Response(
        b'' if answer is None else json.dumps(answer).encode(), status,
        content_type='application/json')
    return response(environ, start_response)


def _answer(request: webob.Request) -> tuple[int, dict | None]:
    ident = request.path_info.strip('/') or None
    if request.method == 'DELETE':
        if not injected_faults.remove(ident) and ident is not None:
            raise exception.NotFound(_('There is no fault %s.') % ident)
        return 204, None
    if ident is not None or request.method not in ('GET', 'POST'):
        raise exception.NotFound()
    if request.method == 'GET':
        return 200, {'faults': [dataclasses.asdict(each) for each in injected_faults.list_all()]}
    if request.content_type != 'application/json':
        # A form of another site, sent by a browser on this machine, has another one.
        raise exception.InvalidInput(reason=_('the body must be application/json'))
    try:
        wanted = json.loads(request.body_file.read(_MOST_BYTES))['fault']
        if not isinstance(wanted, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise exception.InvalidInput(reason=_(
            'the body must be {"fault": {...}}, of at most %d bytes') % _MOST_BYTES) from None
    verb = wanted.get('verb')
    if isinstance(verb, str) and not fnmatch.filter(set(VERBS).difference(WITHOUT), verb):
        raise exception.InvalidInput(reason=_(
            'verb = %(verb)s matches none of %(verbs)s') % {
                'verb': verb, 'verbs': ', '.join(sorted(set(VERBS).difference(WITHOUT)))})
    return 201, {'fault': dataclasses.asdict(injected_faults.add(wanted))}


def call(req: wsgi.Request, handle: Callable[[], webob.Response]) -> webob.Response:
    """Handle a request as the faults want it.

    :raises InjectedRefusal: the request is refused
    """
    path = req.environ.get('PATH_INFO', '').strip('/').removeprefix(f'{req.url_project}/')
    injected_faults.meet_request(req.method, path)
    req.context.accepted = []
    response = handle()
    verbs = [operation.verb for operation in req.context.accepted]
    if not injected_faults.loses_reply(req.method, path, verbs):
        return response
    if isinstance(response.app_iter, waiters.Waiting):
        # It waits for an operation or for events, and the server will not close it any more.
        response.app_iter.close()
    lost = waiters.Waiting(_SECONDS)
    lost.drop()
    return waiters.wait(req.environ, lost, response)
