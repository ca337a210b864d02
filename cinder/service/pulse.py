# SPDX-License-Identifier: Apache-2.0
"""Pulse: how a service finds out whether it consumes messages, which is what `up` means.

It sends messages to itself. Those on a queue of its own tell whether it lives, whatever waits in
the queues of its work; now and then one through these tells whether they are consumed.
"""
import threading
import time
import uuid

import oslo_messaging as messaging

from cinder import context
from cinder.rpc import base as rpc


class Pulse:
    """Endpoint that proves that a service consumes messages: it counts those sent to itself.

    :param deaf_after: seconds after which a message in the queue of the work counts as lost
    """

    target = messaging.Target(namespace='service', version='1.0')

    def __init__(self, topic: str, host: str, deaf_after: float) -> None:
        self.address = messaging.Target(topic=f'{topic}.liveness', server=host)
        self._work = messaging.Target(topic=topic, server=host)
        self._deaf_after = deaf_after
        # What a former process of this name sent to itself does not count.
        self._life = uuid.uuid4().hex
        self._sent = self._seen = 0
        self._arrived = threading.Event()
        # A process that starts is not called deaf before it had the time to hear something.
        self._heard_at = time.monotonic()
        self._probed_at: float | None = None
        self._probe_arrived_at = time.monotonic()

    def ping(self, ctxt: context.RequestContext, life: str, number: int) -> None:
        """A message to myself arrived."""
        if life == self._life:
            self._seen = max(self._seen, number)
            self._heard_at = time.monotonic()
            self._arrived.set()

    def probe(self, ctxt: context.RequestContext, life: str) -> None:
        """A message to myself came through the queue of the work."""
        if life == self._life:
            self._probed_at, self._probe_arrived_at = None, time.monotonic()

    def check(self, ctxt: context.RequestContext, patience: float) -> bool:
        """Send a message and tell whether it, or the one before, arrives within `patience` s, and
        whether the queue of the work is consumed."""
        self._arrived.clear()
        self._sent += 1
        self._send(ctxt, self.address, 'ping', number=self._sent)
        self._probe(ctxt)
        self._arrived.wait(patience)
        return self._seen >= max(1, self._sent - 1) and not self._is_deaf()

    def _probe(self, ctxt: context.RequestContext) -> None:
        now = time.monotonic()
        if self._probed_at is None:
            if now - self._probe_arrived_at < self._deaf_after / 2:
                return
            self._probed_at = now
        elif not self._is_deaf():
            return
        # A lost one is sent again: the queue may be consumed by now.
        self._send(ctxt, self._work, 'probe')

    def _is_deaf(self) -> bool:
        sent_at = self._probed_at
        return sent_at is not None and time.monotonic() - sent_at > self._deaf_after

    def _send(self, ctxt: context.RequestContext, to: messaging.Target, method: str,
              **arguments: int) -> None:
        client = rpc.get_client(to(namespace='service', version='1.0'))
        rpc.Sender(lambda: (client, {})).cast(ctxt, method, life=self._life, **arguments)

    def heard_within(self, seconds: float) -> bool:
        """Whether a message to myself arrived in the last `seconds`."""
        return time.monotonic() - self._heard_at <= seconds
