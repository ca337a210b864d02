# SPDX-License-Identifier: Apache-2.0
"""A message bus that only takes notes: casts and calls are recorded, a test sets the answers.
Also: how to wait less for oslo.messaging's bus in memory."""
import time
import types
from typing import Any, NamedTuple

from cinder.rpc import client


class Message(NamedTuple):
    """One message: `kind` is cast or call; `host` as the sender gave it."""

    kind: str
    topic: str
    host: str | None
    method: str
    args: dict[str, Any]


class Bus:
    """What was sent, in order, and what callers are answered.

    :ivar answers: method -> value, exception to raise, or function(**arguments).
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.answers: dict[str, Any] = {}

    def install(self, monkeypatch) -> 'Bus':
        """Let every client of this process talk to this bus."""
        monkeypatch.setattr(client.RPCAPI, 'cctxt', self._cctxt)
        return self

    def methods(self, kind: str | None = None) -> list[str]:
        return [message.method for message in self.sent if kind in (None, message.kind)]

    @property
    def _cctxt(self):
        def cctxt(api: client.RPCAPI, host: str | None = None, version: str | None = None,
                  fanout: bool = False, timeout: float | None = None) -> '_Sender':
            return _Sender(self, api.TOPIC, host)
        return cctxt


class _Sender:
    def __init__(self, bus: Bus, topic: str, host: str | None) -> None:
        self.bus, self.topic, self.host = bus, topic, host

    def can_send_version(self) -> bool:
        return True

    def cast(self, _ctxt, method: str, **args: Any) -> None:
        self.bus.sent.append(Message('cast', self.topic, self.host, method, args))

    def call(self, _ctxt, method: str, **args: Any) -> Any:
        if _ctxt is not None:
            client.before_call(_ctxt)
        self.bus.sent.append(Message('call', self.topic, self.host, method, args))
        answer = self.bus.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(**args) if callable(answer) else answer


def listen_closely(monkeypatch) -> None:
    """Have the listeners of `fake:/` look for messages, and for their end, every 2 ms and not
    every 50."""
    from oslo_messaging._drivers import impl_fake
    monkeypatch.setattr(impl_fake, 'time', types.SimpleNamespace(
        time=time.time, sleep=lambda seconds: time.sleep(min(seconds, 0.002))))
