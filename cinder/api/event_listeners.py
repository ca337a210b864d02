# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for events: one thread of the process reads new events once and distributes
them, so a listener needs neither a thread nor a connection to the database."""
import time
from typing import Any

import webob

from cinder import context
from cinder.api import waiters
from cinder.api.views import events as view
from cinder.db import events

# Seconds between two looks for new events: when there were none, and when there were some.
INTERVAL, BUSY = 0.1, 0.04
# Seconds between two comments in an idle stream.
COMMENT = 15.0
# Listeners that are further behind than one page read by themselves, so many in one look.
ALONE = 16


class Listener(waiters.Waiting):
    """A request that waits for events.

    :param position: of the last event that it has seen.
    :param internal: it sees what only operators see.
    :param media: a stream of Server-Sent Events goes on; others end with the first events.
    :param limit: maximum number of events of a response that is not a stream.
    """

    def __init__(self, wanted: events.Wanted, position: int, seconds: float, internal: bool,
                 media: str, limit: int) -> None:
        super().__init__(seconds, None if media == view.STREAM else lambda: self.response_of([]),
                         POLLER.remove)
        self.wanted, self.position, self.limit = wanted, position, limit
        self._internal, self.media = internal, media
        self._sent = time.monotonic()

    def response_of(self, found: list[dict]) -> webob.Response:
        """Return a response with some events."""
        if self.media == view.JSON:
            body = view.document(found, self.position, self._internal)
        else:
            body = b''.join(view.piece(each, self._internal, self.media) for each in found)
        return webob.Response(body, 200, [
            ('Content-Type', self.media), ('Cache-Control', 'no-store'),
            (view.POSITION, str(self.position))])

    def give(self, found: list[dict], position: int) -> None:
        """Send events.

        :param position: that of the last event, or of a later one that is not wanted.
        """
        if self.media != view.STREAM and len(found) > self.limit:
            found = found[:self.limit]
            position = found[-1]['position']
        self.position = position
        if self.media == view.STREAM:
            for each in found:
                self.send(view.piece(each, self._internal, self.media))
            self._sent = time.monotonic() if found else self._sent
        elif found:
            self.finish(self.response_of(found))

    def comment(self, now: float) -> None:
        """Send a comment in a stream that had nothing for some time."""
        if self.media == view.STREAM and now - self._sent >= COMMENT:
            self._sent = now
            self.send(view.COMMENT)


def _look(those: list[Any]) -> None:
    ctxt = context.get_admin_context()
    last, now = events.advance(ctxt), time.monotonic()
    behind = [each for each in those if each.position < last]
    POLLER.interval = BUSY if behind else INTERVAL
    near = [each for each in behind if last - each.position <= events.BATCH]
    if near:
        _distribute(near, events.read(ctxt, events.Wanted(None), min(
            each.position for each in near), last), last)
    for each in [each for each in behind if last - each.position > events.BATCH][:ALONE]:
        found = events.read(ctxt, each.wanted, each.position, last, events.BATCH)
        each.give(found, last if len(found) < events.BATCH else found[-1]['position'])
    for each in those:
        each.comment(now)


def _distribute(listeners: list[Listener], found: list[dict], last: int) -> None:
    by_project: dict[str | None, list[dict]] = {None: found}
    for each in found:
        by_project.setdefault(each['project_id'], []).append(each)
    for listener in listeners:
        mine = by_project.get(listener.wanted.project, ())
        listener.give([each for each in mine if each['position'] > listener.position
                       and listener.wanted.includes(each)], last)


POLLER = waiters.Poller('events', _look, INTERVAL)
