# SPDX-License-Identifier: Apache-2.0
"""Base of the RPC clients, which limit their messages to the versions of the peers, and the sender
of one message.

cinder.rpc.volume, cinder.rpc.scheduler and cinder.rpc.backup define the messages.
"""
import functools
import logging
import time
from collections.abc import Callable

import oslo_messaging as messaging

from cinder import context, exception, fault_points, metrics, objects
from cinder.objects import base as objects_base
from cinder.objects.verbs import VERBS, message_of
from cinder.rpc import base, reachability, tracing

LOG = logging.getLogger(__name__)

# Seconds for which a call is repeated if the receiver has no queue: after an outage of the broker,
# a service needs some seconds to notice it and to declare its queue again.
ABSENCE_SECONDS = 15
ABSENCE_PAUSE = 0.5


class RPCAPI:
    """Base of the RPC clients, with what all messages have in common.

    A subclass sets TOPIC, BINARY and the newest RPC_API_VERSION, and sends messages with
    `self.cctxt(...).cast(ctxt, 'method', **arguments)` or `.call(...)`.
    """

    TOPIC: str
    BINARY: str
    RPC_API_VERSION: str

    def cctxt(self, host: str | None = None, version: str | None = None, fanout: bool = False,
              timeout: float | None = None) -> 'Sender':
        """Return a sender for one message.

        :param host: the service `host@backend`, or any service of the cluster `cluster@backend`;
            a `#pool` is ignored. None: any service of the topic.
        :param version: lowest server version that has the message; None: the newest version that
            this process and all peers support.
        :param fanout: send to every service of the topic.
        :param timeout: seconds to wait for the response of a call; None: rpc_response_timeout.
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

    def supports(self, version: str) -> bool:
        """Return whether all services support a version of the messages."""
        return self.cctxt(version=version).can_send_version()

    def start(self, ctxt: context.RequestContext, operation: objects.Operation,
              resource: objects_base.CinderObject | None = None) -> None:
        """Cast the message of an operation to the service that the operation is addressed to.

        In a rehearsal (cinder.db.session), it is only noted.

        :param resource: the resource of the operation; None: the service itself
        """
        if ctxt.rehearsal is not None:
            ctxt.rehearsal.append((operation, resource))
            return
        if ctxt.together is not None and ctxt.together.after(
                lambda: self.start(ctxt, operation, resource)):
            return
        about = {} if resource is None else {operation.resource_type: resource}
        self.cctxt(host=self._address(operation), version=VERBS[operation.verb].since).cast(
            ctxt, message_of(operation.verb), operation=operation, **about)

    def _address(self, operation: objects.Operation) -> str | None:
        """Return the cluster or host that the operation is addressed to."""
        return operation.cluster or operation.host

    def _client(self) -> tuple[str | None, messaging.RPCClient]:
        known = base.cached_peers()
        if self.BINARY in known:
            return known[self.BINARY]
        versions = base.minimum_versions(context.get_admin_context(), self.BINARY)
        cap, object_cap = versions or (None, None)
        made = cap, base.get_client(messaging.Target(topic=self.TOPIC), cap,
                                    objects_base.CinderObjectSerializer(object_cap))
        # Without any service the result is not cached: the first service may be an old one.
        if cap or versions is None:
            known[self.BINARY] = made
        return made


def _older(cap: str | None, ours: str) -> str:
    return min(cap or ours, ours, key=lambda version: [int(part) for part in version.split('.')])


def before_call(ctxt: context.RequestContext) -> None:
    """Commit what a request has written so far, because the peer may need it."""
    if ctxt.together is not None:
        ctxt.together.flush()


class Sender:
    """Sends one message: `cast` does not wait for the broker, `call` waits for the response."""

    def __init__(self, client: Callable[[], tuple[messaging.RPCClient, dict]]) -> None:
        """:param client: returns a client and its prepare() arguments; called when a message is
        sent, because it may read the versions of the peers from the database.
        """
        self._find = client

    @functools.cached_property
    def _client(self) -> messaging.RPCClient:
        client, to = self._find()
        return client.prepare(**to)

    def _asking(self) -> tuple[messaging.RPCClient, float]:
        """Return the client of a call, and the time until which the call is repeated."""
        # With at_least_once, the broker reports that no queue got the message, and the call can be
        # repeated; otherwise a lost message would take the whole rpc_response_timeout.
        client, to = self._find()
        patience = min(ABSENCE_SECONDS, to.get('timeout') or ABSENCE_SECONDS)
        return client.prepare(
            **to, transport_options=messaging.TransportOptions(at_least_once=True)
        ), time.monotonic() + patience

    def can_send_version(self) -> bool:
        return self._client.can_send_version()

    def cast(self, ctxt: context.RequestContext, method: str, **arguments: object) -> None:
        """Send in the background. A message that cannot be sent is logged and dropped: the change
        is committed already, and the row of the operation ensures that the work is done.
        """
        try:
            self._check_version()
        except exception.CinderException as exc:
            LOG.warning('Message %s was not sent: %s The operation stays in the database.', method,
                        exc)
            return
        ctxt.trace_info = tracing.current_trace()
        for _ in range(1 + fault_points.is_armed('bus:duplicate')):
            base.cast_outbox().put(
                lambda: self._client.cast(ctxt, method, **arguments), method)

    def call(self, ctxt: context.RequestContext, method: str, **arguments: object) -> object:
        """Send and return the response.

        :raises ServiceTooOld: the peer does not support the message.
        :raises ServiceUnavailable: the broker or the peer does not respond.
        :raises CinderException: raised by the peer.
        """
        before_call(ctxt)
        self._check_version()
        ctxt.trace_info = tracing.current_trace()
        try:
            with metrics.timed('cinder_message_call', method, error=_kind_of_error):
                return self._call(ctxt, method, **arguments)
        except messaging.MessagingTimeout as exc:
            raise exception.RPCTimeout() from exc
        except (messaging.MessageDeliveryFailure, messaging.MessageUndeliverable) as exc:
            raise exception.ServiceUnavailable() from exc
        except exception.CinderException as exc:
            raise _local(exc) from None
        except Exception as exc:
            # A new connection of the pool raises the errors of the libraries below.
            if not _is_of_connection(exc):
                raise
            raise exception.ServiceUnavailable() from exc

    def _call(self, ctxt: context.RequestContext, method: str, **arguments: object) -> object:
        if not base.was_answered():
            _require_broker()
        client, deadline = self._asking()
        while True:
            try:
                answer = client.call(ctxt, method, **arguments)
                base.note_answer()
                return answer
            except messaging.MessageUndeliverable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(ABSENCE_PAUSE)

    def _check_version(self) -> None:
        if not self._client.can_send_version():
            raise exception.ServiceTooOld()


def _kind_of_error(exc: BaseException) -> str:
    """Return the label of a call that failed: no answer, no receiver, or an error of the peer."""
    if isinstance(exc, messaging.MessagingTimeout):
        return 'timeout'
    unreachable = (messaging.MessageDeliveryFailure, messaging.MessageUndeliverable,
                   exception.ServiceUnavailable)
    return ('undelivered' if isinstance(exc, unreachable) or _is_of_connection(exc) else 'raised')


def _require_broker() -> None:
    """:raises ServiceUnavailable: no broker accepts this process."""
    trouble = reachability.find_trouble()
    if trouble:
        LOG.warning('No message can be answered: %s', trouble)
        raise exception.ServiceUnavailable()


def _is_of_connection(exc: Exception) -> bool:
    """Return whether an error is one of the connection to the broker."""
    return isinstance(exc, OSError) or any(
        kind.__module__.partition('.')[0] in ('kombu', 'amqp') for kind in type(exc).__mro__)


def _local(exc: exception.CinderException) -> exception.CinderException:
    """Return the exception with its original class: the library uses a subclass whose text has the
    remote traceback, which clients must not read."""
    if type(exc).__module__ in base.EXCEPTION_MODULES:
        return exc
    LOG.debug('The peer raised: %s', exc)
    exc.__class__ = type(exc).__mro__[1]
    return exc
