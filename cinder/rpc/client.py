# SPDX-License-Identifier: Apache-2.0
"""Clients that an older peer can follow: the base of the vocabularies, and how one message is sent.

What is said is in cinder.rpc.volume, cinder.rpc.scheduler and cinder.rpc.backup.
"""
import functools
import logging
import time
from collections.abc import Callable

import oslo_messaging as messaging

from cinder import context, exception, objects, utils
from cinder.objects import base as objects_base
from cinder.objects.verbs import VERBS, message_of
from cinder.rpc import base, tracing

LOG = logging.getLogger(__name__)

# A call whose receiver has no queue is tried again for so long: after the broker came back, a
# service needs some seconds to find that out and to make its queue again.
ABSENCE_SECONDS = 15
ABSENCE_PAUSE = 0.5


class RPCAPI:
    """Base of the two vocabularies; holds what is common to every message.

    A subclass names its TOPIC, its BINARY and the newest RPC_API_VERSION it speaks, and sends by
    `self.cctxt(...).cast(ctxt, 'method', **arguments)` or `.call(...)`.
    """

    TOPIC: str
    BINARY: str
    RPC_API_VERSION: str

    def cctxt(self, host: str | None = None, version: str | None = None, fanout: bool = False,
              timeout: float | None = None) -> 'Sender':
        """A sender for one message.

        :param host: the service `host@backend`, or any service of the cluster `cluster@backend`;
            a `#pool` is cut off. None: any service of the topic.
        :param version: lowest server version that has the message; None: the newest that both
            we and every peer have.
        :param fanout: every service of the topic.
        :param timeout: seconds to wait for the answer of a call; None: rpc_response_timeout.
        """
        to: dict[str, object] = {}
        if host:
            to['server'] = host.partition('#')[0]
        if fanout:
            to['fanout'] = True
        if timeout is not None:
            to['timeout'] = timeout

        def client() -> tuple[messaging.RPCClient, dict]:
            cap, found = self._client()
            return found, {**to, 'version': version or _older(cap, self.RPC_API_VERSION)}
        return Sender(client)

    def start(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: objects_base.CinderObject | None = None) -> None:
        """Nudge the service that an operation is addressed to; the message is that of its verb.

        :param resource: what the operation is about, as it is now; None: that is the service
        """
        about = {} if resource is None else {operation.resource_type: resource}
        self.cctxt(host=self._address(operation), version=VERBS[operation.verb].since).cast(
            ctxt, message_of(operation.verb), operation=operation, **about)

    def _address(self, operation: objects.Operation) -> str | None:
        """The host, or any host of the cluster, that has the operation to do."""
        return operation.cluster or operation.host

    def _client(self) -> tuple[str | None, messaging.RPCClient]:
        known = base.peers()
        if self.BINARY in known:
            return known[self.BINARY]
        versions = base.minimum_versions(context.get_admin_context(), self.BINARY)
        cap, object_cap = versions or (None, None)
        made = cap, base.get_client(messaging.Target(topic=self.TOPIC), cap,
                                    objects_base.CinderObjectSerializer(object_cap))
        # Without any service yet there is nothing to remember: the first may be an old one.
        if cap or versions is None:
            known[self.BINARY] = made
        return made


def _older(cap: str | None, ours: str) -> str:
    return min(cap or ours, ours, key=lambda version: [int(part) for part in version.split('.')])


class Sender:
    """Sends one message: `cast` never waits for the broker, `call` waits for the answer."""

    def __init__(self, client: Callable[[], tuple[messaging.RPCClient, dict]]) -> None:
        """:param client: gives a client and what to prepare it with; asked when something is sent,
        as it may have to ask the database for the versions of the peers.
        """
        self._find = client

    @functools.cached_property
    def _client(self) -> messaging.RPCClient:
        client, to = self._find()
        return client.prepare(**to)

    def _asking(self) -> messaging.RPCClient:
        # Told by the broker that nobody got the message, we may send it again; without that, a
        # message that went nowhere costs the caller the whole rpc_response_timeout.
        client, to = self._find()
        return client.prepare(
            **to, transport_options=messaging.TransportOptions(at_least_once=True))

    def can_send_version(self) -> bool:
        return self._client.can_send_version()

    def cast(self, ctxt: context.RequestContext, method: str, **arguments: object) -> None:
        """Send in the background; a message that cannot be sent is logged and dropped, because
        the row of its operation makes sure that the work is done, and because what it is about was
        committed before.
        """
        try:
            self._check_version()
        except exception.CinderException as exc:
            LOG.warning('Message %s was not sent: %s The work is found in the database.', method,
                        exc)
            return
        ctxt.trace_info = tracing.current()
        for _ in range(1 + utils.fault_armed('bus:duplicate')):
            base.casts().put(
                lambda: self._client.cast(ctxt, method, **arguments), method)

    def call(self, ctxt: context.RequestContext, method: str, **arguments: object) -> object:
        """Send and return the answer.

        :raises ServiceTooOld: the peer does not understand the message.
        :raises ServiceUnavailable: broker or peer do not answer.
        :raises CinderException: as raised by the peer.
        """
        self._check_version()
        ctxt.trace_info = tracing.current()
        try:
            return self._call(ctxt, method, **arguments)
        except messaging.MessagingTimeout as exc:
            raise exception.RPCTimeout() from exc
        except (messaging.MessageDeliveryFailure, messaging.MessageUndeliverable) as exc:
            raise exception.ServiceUnavailable() from exc
        except exception.CinderException as exc:
            raise _local(exc) from None

    def _call(self, ctxt: context.RequestContext, method: str, **arguments: object) -> object:
        client, deadline = self._asking(), time.monotonic() + ABSENCE_SECONDS
        while True:
            try:
                return client.call(ctxt, method, **arguments)
            except messaging.MessageUndeliverable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(ABSENCE_PAUSE)

    def _check_version(self) -> None:
        if not self._client.can_send_version():
            raise exception.ServiceTooOld()


def _local(exc: exception.CinderException) -> exception.CinderException:
    """The exception as its raiser made it: the library swaps in a class whose text holds the
    remote traceback, which no client may read."""
    if type(exc).__module__ in base.EXCEPTION_MODULES:
        return exc
    LOG.debug('The peer answered with: %s', exc)
    exc.__class__ = type(exc).__mro__[1]
    return exc
