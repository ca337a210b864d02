# SPDX-License-Identifier: Apache-2.0
"""Sends the notifications that wait in the database, in their order, each at least once: a
notification is deleted after the broker has confirmed it. One process of all sends at a time."""
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cinder import context, failures, metrics

LOG = logging.getLogger(__name__)
# Seconds of a lease, which is extended with each batch; a process that is killed delays all
# notifications by so many.
LEASE = 20
# Seconds between two looks for notifications that no process of this host has written, after
# another process has the lease, and after a failure.
IDLE, TAKEN, BROKEN = 5, 0.5, 2
# Seconds between the looks after a change, whose transaction may still be open.
LOOKS = (0.05, 0.2, 1)
BATCH = 50


class Store(Protocol):
    """What cinder.db.notices has."""

    def add(self, ctxt: context.RequestContext, values: dict[str, Any], /) -> None: ...
    def dependents(self, ctxt: context.RequestContext, backup_id: str, /) -> int: ...
    def first(self, ctxt: context.RequestContext, most: int, /) -> list[dict[str, Any]]: ...
    def remove(self, ctxt: context.RequestContext, ids: Sequence[int], /) -> None: ...
    def lease(self, ctxt: context.RequestContext, holder: str, seconds: int, /) -> bool: ...
    def release(self, ctxt: context.RequestContext, holder: str, /) -> None: ...


class Sender:
    """Sends notifications in a thread of its own.

    :param send: function(row), which returns after the broker has confirmed the notification.
    """

    def __init__(self, store: Store, send: Callable[[dict[str, Any]], None]) -> None:
        self.store = store
        self._send = send
        self._starting, self._woken = threading.Lock(), threading.Event()
        self._pid: int | None = None
        self._stopped = self._failing = False
        self._holder = ''

    def wake(self) -> None:
        """Look for notifications now; the first call in a process starts the thread."""
        with self._starting:
            if self._pid != os.getpid():
                # A forked worker inherits neither the thread nor the name.
                self._pid, self._woken = os.getpid(), threading.Event()
                self._holder = str(uuid.uuid4())
                threading.Thread(target=self._run, daemon=True, name='notifications').start()
        self._woken.set()

    def stop(self, seconds: float) -> None:
        """Send what waits, for some seconds at most, and end."""
        self._stopped = True
        if self._pid == os.getpid():
            end = time.monotonic() + seconds
            try:
                while time.monotonic() < end and self.drain() is TAKEN:
                    time.sleep(0.05)
            except Exception as exc:
                LOG.info('Notifications wait in the database: %s', failures.one_line(exc))

    def _run(self) -> None:
        looks: list[float] = []
        while not self._stopped:
            if self._woken.is_set():
                self._woken.clear()
                looks = list(LOOKS)
            try:
                pause = self.drain()
                if self._failing:
                    LOG.info('Notifications can be sent again.')
                self._failing = False
            except Exception as exc:  # the thread must go on
                LOG.log(logging.DEBUG if self._failing else logging.WARNING,
                        'Notifications wait in the database, because they cannot be sent: %s',
                        failures.one_line(exc))
                self._failing, pause = True, BROKEN
            if pause is IDLE:
                self._woken.wait(looks.pop(0) if looks else IDLE)
            else:
                time.sleep(pause)

    def drain(self) -> float:
        """Send all notifications that wait; return the seconds until the next look.

        :raises Exception: one could not be sent.
        """
        ctxt = context.get_admin_context()
        if not self.store.first(ctxt, 1):
            return IDLE
        if not self.store.lease(ctxt, self._holder, LEASE):
            return TAKEN
        try:
            while rows := self.store.first(ctxt, BATCH):
                self._send_batch(ctxt, rows)
                if not self.store.lease(ctxt, self._holder, LEASE):
                    return TAKEN
        finally:
            self.store.release(ctxt, self._holder)
        return IDLE

    def _send_batch(self, ctxt: context.RequestContext, rows: list[dict[str, Any]]) -> None:
        sent, end = [], time.monotonic() + LEASE / 2
        try:
            for row in rows:
                if time.monotonic() > end:
                    return  # the lease is extended before it ends
                self._send_one(row)
                sent.append(row['id'])
        finally:
            self.store.remove(ctxt, sent)

    def _send_one(self, row: dict[str, Any]) -> None:
        try:
            self._send(row)
        except Exception as exc:
            metrics.count('cinder_notifications_failed_total', type(exc).__name__)
            raise
        metrics.count('cinder_notifications_sent_total')


def row_of(publisher: str, event: str, priority: str, payload: dict[str, Any],
           values: dict[str, Any]) -> dict[str, Any]:
    """Return a notification as a row.

    :param values: the serialized context of the request.
    """
    return {'message_id': str(uuid.uuid4()), 'event_type': event, 'publisher_id': publisher,
            'priority': priority, 'payload': json.dumps(payload, default=str),
            'context': json.dumps(values, default=str)}


def message_of(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the context and the message of a row, with the time of its change."""
    return json.loads(row['context']), {
        'message_id': row['message_id'], 'publisher_id': row['publisher_id'],
        'event_type': row['event_type'], 'priority': row['priority'].upper(),
        'payload': json.loads(row['payload']), 'timestamp': str(row['created_at'])}
