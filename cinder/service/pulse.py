# SPDX-License-Identifier: Apache-2.0
"""Pulse: how a service finds out whether it consumes messages, which is what `up` means."""
import threading
import time
import uuid

import oslo_messaging as messaging

from cinder import context
from cinder.rpc import base as rpc


class Pulse:
    """Endpoint that proves that a service consumes messages: it counts those sent to itself."""

    target = messaging.Target(namespace='service', version='1.0')

    def __init__(self, topic: str, host: str) -> None:
        self._to = messaging.Target(topic=topic, server=host, namespace='service', version='1.0')
        # What a former process of this name sent to itself does not count.
        self._life = uuid.uuid4().hex
        self._sent = self._seen = 0
        self._arrived = threading.Event()
        # A process that starts is not called deaf before it had the time to hear something.
        self._heard_at = time.monotonic()

    def ping(self, ctxt: context.RequestContext, life: str, number: int) -> None:
        """A message to myself arrived."""
        if life == self._life:
            self._seen = max(self._seen, number)
            self._heard_at = time.monotonic()
            self._arrived.set()

    def check(self, ctxt: context.RequestContext, patience: float) -> bool:
        """Send a message and tell whether it, or the one before, arrives within `patience` s."""
        self._arrived.clear()
        self._sent += 1
        rpc.Sender(rpc.get_client(self._to)).cast(
            ctxt, 'ping', life=self._life, number=self._sent)
        self._arrived.wait(patience)
        return self._seen >= max(1, self._sent - 1)

    def heard_within(self, seconds: float) -> bool:
        """Whether a message to myself arrived in the last `seconds`."""
        return time.monotonic() - self._heard_at <= seconds
