# SPDX-License-Identifier: Apache-2.0
"""Checks whether a service consumes messages; a service that does not is down.

It sends messages to itself: one through its work queue from time to time, and, if that is late,
some through a queue of its own, which show that the service lives, however long the work queue is.
"""
import threading
import time
import uuid
from collections.abc import Callable

import oslo_messaging as messaging

from cinder import context
from cinder.rpc import base as rpc
from cinder.rpc import client


class Liveness:
    """Endpoint that checks whether a service consumes messages.

    :param interval: seconds between two calls of check()
    :param lost_after: seconds after which a message in the work queue counts as lost
    """

    target = messaging.Target(namespace='service', version='1.0')

    def __init__(self, topic: str, host: str, interval: float, lost_after: float) -> None:
        self.address = messaging.Target(topic=f'{topic}.liveness', server=host)
        self._work = messaging.Target(topic=topic, server=host)
        self._interval, self._lost_after = interval, lost_after
        self._patience = interval / 2
        # Messages of a former process with the same name are ignored.
        self._life = uuid.uuid4().hex
        self._arrived = threading.Condition()
        self._sent = self._seen = 0
        # A starting process is not down before it had the time to receive something.
        self._heard_at = time.monotonic()
        self._probed_at: float | None = None
        self._probe_arrived_at = float('-inf')
        self._missed = self._heard_once = False

    # -------------------------------------------------------------------------- received messages
    def ping(self, ctxt: context.RequestContext, life: str, number: int) -> None:
        """Receive a message from this process."""
        if life == self._life:
            with self._arrived:
                self._seen = max(self._seen, number)
                self._note_arrival()

    def probe(self, ctxt: context.RequestContext, life: str) -> None:
        """Receive a message from this process through the work queue."""
        if life == self._life:
            with self._arrived:
                self._probed_at, self._probe_arrived_at = None, time.monotonic()
                self._note_arrival()

    def _note_arrival(self) -> None:
        self._heard_at, self._heard_once = time.monotonic(), True
        self._arrived.notify_all()

    # ------------------------------------------------------------------------------------ checks
    def check(self, ctxt: context.RequestContext) -> bool:
        """Return whether messages arrive, as far as is known; part of each heartbeat.

        A message is only sent if the last one is so old that an outage since then would be noticed
        too late. One missing message is no proof, two are; a message in the work queue is only
        missing after `lost_after` seconds.
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
            # The probe was lost with the other messages, whatever its age.
            self._probed_at = None
            self._send_probe(ctxt)
        self._missed = not alive
        late = self._heard_once and (not missed_before or self._seen >= number - 1)
        return (alive or late) and not self._is_unreachable()

    def receives_messages(self, ctxt: context.RequestContext) -> bool:
        """Return whether a message that is sent now arrives, or one arrived a moment ago."""
        if time.monotonic() - self._heard_at <= self._patience:
            return True
        number = self._send_ping(ctxt)
        return self._wait(lambda: self._seen >= number, self._patience)

    def unverified_seconds(self) -> float:
        """Return for how many seconds check() was wrongly true: the time since the last message
        arrived, minus the time that it takes to notice a missing one."""
        return max(0.0, time.monotonic() - self._heard_at - 1.5 * self._interval)

    def _is_due(self) -> bool:
        # Half an interval of tolerance, because heartbeats are not exactly on time.
        age = time.monotonic() - self._probe_arrived_at + self._interval / 2
        return (self._probed_at is not None or self._missed
                or age >= self._lost_after - self._interval)

    def _is_unreachable(self) -> bool:
        sent_at = self._probed_at
        return sent_at is not None and time.monotonic() - sent_at > self._lost_after

    # ------------------------------------------------------------------------------ sent messages
    def _send_probe(self, ctxt: context.RequestContext) -> None:
        if self._probed_at is None:
            self._probed_at = time.monotonic()
        elif not self._is_unreachable():
            return
        # A lost message is sent again: the queue may be consumed now.
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
