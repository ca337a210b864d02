# SPDX-License-Identifier: Apache-2.0
"""Handler of events: what changed in a project, from a position on, also as it happens."""
from collections.abc import Callable, Collection

import webob

from cinder import context, exception
from cinder.api import converters, event_listeners, waiters, wsgi
from cinder.api.views import events as view
from cinder.conf import CONF
from cinder.db import events as events_db
from cinder.db import recording
from cinder.i18n import _
from cinder.policies import events as policy

# Seconds that a request may wait.
LONGEST = 300
MAX_POSITION = 2 ** 63 - 1


def _one_of(allowed: Collection[str]) -> Callable[[str, str], frozenset[str]]:
    def convert(name: str, value: str) -> frozenset[str]:
        """Convert a list that is separated by commas."""
        words = frozenset(value.split(','))
        unknown = sorted(words - set(allowed))
        if unknown:
            raise exception.InvalidParameterValue(err=_(
                '%(name)s: %(value)s is none of: %(allowed)s') % {
                    'name': name, 'value': unknown[0][:255], 'allowed': ', '.join(allowed)})
        return words
    return convert


def _words(_name: str, value: str) -> frozenset[str]:
    return frozenset(value.split(',')[:100])


_position = converters.Whole(MAX_POSITION)


@wsgi.query(after=_position, all_tenants=converters.boolean, wait=converters.Whole(LONGEST),
            limit=converters.Whole(events_db.BATCH),
            resource_type=_one_of(recording.TYPES), kind=_one_of(recording.KINDS),
            resource_id=_words)
@wsgi.response(200, view.SHAPE, streams=(view.LINES, view.STREAM))
@wsgi.errors(410)
@wsgi.headers(**{view.POSITION: 'The position to go on from: the parameter `after` of the next '
                                'request.'})
def index(req: wsgi.Request) -> webob.Response:
    ctxt = req.context
    ctxt.authorize(policy.GET)
    if not CONF.events_enabled:
        raise exception.EventsDisabled()
    media = _media(req)
    wanted = events_db.Wanted(
        None if ctxt.is_admin and req.params.get('all_tenants') else ctxt.project_id or '',
        tuple((name, req.params[name]) for name in ('resource_type', 'resource_id', 'kind')
              if name in req.params))
    after, last = _place(req, media)
    seconds = req.params.get('wait', LONGEST if media == view.STREAM else 0)
    limit = req.params.get('limit') or events_db.BATCH
    listener = event_listeners.Listener(wanted, after, seconds, ctxt.can(policy.SEE_INTERNAL),
                                        media, limit)
    found = events_db.read(ctxt, wanted, after, last, limit)
    listener.position = found[-1]['position'] if len(found) == limit else last
    if media != view.STREAM and (found or not seconds):
        return listener.response_of(found)
    response = listener.response_of([])
    if media == view.STREAM:
        # The client sees at once that the stream is open.
        listener.send(view.COMMENT)
        listener.give(found, listener.position)
    if seconds:
        event_listeners.POLLER.add(listener)
    return waiters.wait(req.environ, listener, response, stream=media == view.STREAM)


def _media(req: wsgi.Request) -> str:
    accepted = req.environ.get('HTTP_ACCEPT', '')
    return next((media for media in (view.STREAM, view.LINES) if media in accepted),
                view.JSON if wsgi.JSON in accepted else view.LINES)


def _place(req: wsgi.Request, media: str) -> tuple[int, int]:
    """Return the position after which events are wanted, and the last one.

    :raises EventsGone: events after that position were deleted.
    """
    ctxt = context.get_admin_context()
    last = events_db.advance(ctxt)
    after = req.params.get('after', last)
    resumed = req.environ.get('HTTP_LAST_EVENT_ID', '')
    if media == view.STREAM and resumed:
        # The same URL again, by a client that was disconnected.
        after = _position('Last-Event-ID', resumed)
    if after < last:
        first = events_db.first_position(ctxt)
        if (first or last + 1) > after + 1:
            raise exception.EventsGone(position=after)
    if after > last:
        raise exception.EventsGone(position=after)
    return after, last
