# SPDX-License-Identifier: Apache-2.0
"""Pulse: how a service finds out whether it consumes messages, which is what `up` means.

It sends messages to itself: now and then one through the queue of its work, and where that is late
some through a queue of its own, which tell whether it lives, whatever waits before them.
"""
import threading
import time
import uuid
from collections.abc import Callable

import oslo_messaging as messaging

from cinder import context
from cinder.rpc import base as rpc
from cinder.rpc import client


class Pulse:
    """Endpoint that proves that a service consumes messages.

    :param interval: seconds between two calls of check()
    :param deaf_after: seconds after which a message in the queue of the work counts as lost
    """

    target = messaging.Target(namespace='service', version='1.0')

    def __init__(self, topic: str, host: str, interval: float, deaf_after: float) -> None:
        self.address = messaging.Target(topic=f'{topic}.liveness', server=host)
        self._work = messaging.Target(topic=topic, server=host)
        self._interval, self._deaf_after = interval, deaf_after
        self._patience = interval / 2
        # What a former process of this name sent to itself does not count.
        self._life = uuid.uuid4().hex
        self._arrived = threading.Condition()
        self._sent = self._seen = 0
        # A process that starts is not called deaf before it had the time to hear something.
        self._heard_at = time.monotonic()
        self._probed_at: float | None = None
        self._probe_arrived_at = float('-inf')
        self._missed = self._heard_once = False

    # ------------------------------------------------------------------------------ what arrives
    def ping(self, ctxt: context.RequestContext, life: str, number: int) -> None:
        """A message to myself arrived."""
        if life == self._life:
            with self._arrived:
                self._seen = max(self._seen, number)
                self._note_arrival()

    def probe(self, ctxt: context.RequestContext, life: str) -> None:
        """A message to myself came through the queue of the work."""
        if life == self._life:
            with self._arrived:
                self._probed_at, self._probe_arrived_at = None, time.monotonic()
                self._note_arrival()

    def _note_arrival(self) -> None:
        self._heard_at, self._heard_once = time.monotonic(), True
        self._arrived.notify_all()

    # --------------------------------------------------------------------------------- questions
    def check(self, ctxt: context.RequestContext) -> bool:
        """Whether messages arrive, as far as is known; part of each heartbeat.

        A message is sent only when the last one that arrived is so old that a service which is deaf
        since then would be noticed too late. One that does not arrive at once is no proof yet, two
        are; nor is one in the queue of the work, until `deaf_after` is over.
        """
        if not self._is_due():
            return True
        self._send_probe(ctxt)
        if self._wait(lambda: self._probed_at is None, self._patience / 2):
            self._missed = False
            return True
        number, missed_before = self._send_ping(ctxt), self._missed
        alive = self._wait(lambda: self._seen >= number, self._patience)
        if alive and missed_before:
            # The probe was lost with what else was sent meanwhile, whatever its age says.
            self._probed_at = None
            self._send_probe(ctxt)
        self._missed = not alive
        late = self._heard_once and (not missed_before or self._seen >= number - 1)
        return (alive or late) and not self._is_deaf()

    def hears(self, ctxt: context.RequestContext) -> bool:
        """Whether a message that is sent now arrives, or one did a moment ago."""
        if time.monotonic() - self._heard_at <= self._patience:
            return True
        number = self._send_ping(ctxt)
        return self._wait(lambda: self._seen >= number, self._patience)

    def unproved(self) -> float:
        """Seconds for which check() was true and, as is known now, should not have been: the time
        since the last message arrived, less what it takes to notice that one is missing."""
        return max(0.0, time.monotonic() - self._heard_at - 1.5 * self._interval)

    def _is_due(self) -> bool:
        # Half of an interval, as no heartbeat comes at its very moment.
        age = time.monotonic() - self._probe_arrived_at + self._interval / 2
        return (self._probed_at is not None or self._missed
                or age >= self._deaf_after - self._interval)

    def _is_deaf(self) -> bool:
        sent_at = self._probed_at
        return sent_at is not None and time.monotonic() - sent_at > self._deaf_after

    # ------------------------------------------------------------------------------ what is sent
    def _send_probe(self, ctxt: context.RequestContext) -> None:
        if self._probed_at is None:
            self._probed_at = time.monotonic()
        elif not self._is_deaf():
            return
        # A lost one is sent again: the queue may be consumed by now.
        self._send(ctxt, self._work, 'probe')

    def _send_ping(self, ctxt: context.RequestContext) -> int:
        with self._arrived:
            self._sent += 1
            number = self._sent
        self._send(ctxt, self.address, 'ping', number=number)
        return number

    def _send(self, ctxt: context.RequestContext, to: messaging.Target, method: str,
              **arguments: int) -> None:
        made = rpc.get_client(to(namespace='service', version='1.0'))
        client.Sender(lambda: (made, {})).cast(ctxt, method, life=self._life, **arguments)

    def _wait(self, arrived: Callable[[], bool], seconds: float) -> bool:
        with self._arrived:
            return self._arrived.wait_for(arrived, seconds)
