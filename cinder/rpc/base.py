# SPDX-License-Identifier: Apache-2.0
"""The message bus of this process: its transport, servers and clients.

How a message is sent is in cinder.rpc.client, what is said in cinder.rpc.volume and its neighbours.
"""
import contextlib
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import transport

from cinder import context
from cinder.objects import base as objects_base
from cinder.rpc import dispatcher, outbox, tracing

# Exceptions of this module are rebuilt as themselves on the calling side.
EXCEPTION_MODULES = ('cinder.exception',)
# Attempts to reconnect before a message is given up: one covers a connection that the broker
# closed while it lay in the pool.
SEND_RETRIES = 1
# Longest pause between two attempts to reach a broker again, unless the operator says otherwise;
# the library's own 30 s is what everybody would wait after a long outage.
RECONNECT_SECONDS = 5
# (ctxt, binary) -> (RPC version, object history version) of the oldest service, None: no limit.
VersionsSource = Callable[[object, str], tuple[str | None, str | None]]

_state: dict[str, Any] = {}
_making = threading.Lock()


def init(conf: cfg.ConfigOpts, min_versions: VersionsSource | None = None,
         url: str | None = None) -> None:
    """Set up the transport; connects to nothing yet.

    :param min_versions: tells the versions of the oldest service of a binary, which bound what
        clients of this process send; without it they send their own version.
    :param url: of the transport; None: option transport_url.
    :raises oslo_messaging.exceptions.MessagingException: the URL cannot be used.
    """
    # oslo.messaging picks the executor from the patched threading module, then warns about
    # its own choice at each server.
    warnings.filterwarnings('ignore', message='Eventlet usages are deprecated')
    warnings.filterwarnings('ignore', message='.*oslo.messaging eventlet executor')
    _state.update(
        conf=conf, url=url, min_versions=min_versions, peers={},
        outbox=outbox.Outbox('The work is found in the database.'),
        # One of its own: notifications may go to another broker, which must hold up nothing.
        notices=outbox.Outbox('It is lost.'),
        transport=messaging.get_rpc_transport(conf, url, EXCEPTION_MODULES))
    with contextlib.suppress(cfg.NoSuchGroupError, cfg.NoSuchOptError):  # other transports
        conf.set_default('rabbit_interval_max', RECONNECT_SECONDS, 'oslo_messaging_rabbit')


def default_to_memory() -> None:
    """Have the bus in the memory of this process where transport_url is not set; call it before
    the configuration is read."""
    cfg.set_defaults(transport._transport_opts, transport_url='fake:/')


def initialized() -> bool:
    return 'transport' in _state


def response_timeout() -> float:
    """Seconds for which a caller waits for an answer; the library's default before init()."""
    return _state['conf'].rpc_response_timeout if initialized() else 60.0


def once(name: str, make: Callable[[cfg.ConfigOpts], object]) -> object:
    """What `make` makes of the options, once for each init(); None before."""
    if initialized() and name not in _state:
        with _making:
            if name not in _state:
                _state[name] = make(_state['conf'])
    return _state.get(name)


def casts() -> outbox.Outbox:
    """Where messages that nobody waits for an answer to wait to be sent."""
    return _state['outbox']


def notices() -> outbox.Outbox:
    """Where notifications wait to be sent."""
    return _state['notices']


def reset() -> None:
    """Forget the versions of the peers: they are read again when next needed."""
    if initialized():
        # Who has asked before and not yet got the answer puts it into the one that is dropped.
        _state['peers'] = {}


def peers() -> dict[str, tuple[str | None, messaging.RPCClient]]:
    """Binary -> the versions that all its services understand and the client that keeps to them,
    as far as known since the last reset()."""
    return _state['peers']


def minimum_versions(ctxt: context.RequestContext,
                     binary: str) -> tuple[str | None, str | None] | None:
    """What the source of versions that init() was given says; None: it was given none."""
    return _state['min_versions'] and _state['min_versions'](ctxt, binary)


def transport_url() -> messaging.TransportURL:
    """Of the broker."""
    return messaging.TransportURL.parse(_state['conf'], _state['url'])


def flush() -> None:
    """Send what is still waiting, for a few seconds at most."""
    if initialized():
        _state['outbox'].flush(outbox.OUTAGE_PAUSE)
        _state['notices'].flush(outbox.OUTAGE_PAUSE)


def cleanup() -> None:
    """Send what is still waiting and close the connections."""
    if not initialized():
        return
    flush()
    _state['transport'].cleanup()
    _state.clear()


class RequestContextSerializer(messaging.Serializer):
    """Carries the request context with each message and leaves the arguments to `base`."""

    def __init__(self, base: messaging.Serializer) -> None:
        self._base = base

    def serialize_entity(self, ctxt: object, entity: object) -> object:
        return self._base.serialize_entity(ctxt, entity)

    def deserialize_entity(self, ctxt: object, entity: object) -> object:
        return self._base.deserialize_entity(ctxt, entity)

    def serialize_context(self, ctxt: context.RequestContext) -> dict:
        values = ctxt.to_dict()
        if ctxt.trace_info:
            values[tracing.KEY] = ctxt.trace_info
        return values

    def deserialize_context(self, values: dict) -> context.RequestContext:
        return context.RequestContext.from_dict(values)


def get_client(target: messaging.Target, version_cap: str | None = None,
               serializer: messaging.Serializer | None = None) -> messaging.RPCClient:
    """A client for `target` that refuses to send a message newer than `version_cap`.

    :param serializer: of the arguments; our versioned objects by default.
    """
    return messaging.get_rpc_client(
        _state['transport'], target, version_cap=version_cap, retry=SEND_RETRIES,
        serializer=RequestContextSerializer(serializer or objects_base.CinderObjectSerializer()))


def get_server(target: messaging.Target, endpoints: Sequence[object],
               serializer: messaging.Serializer | None = None) -> messaging.MessageHandlingServer:
    """A server, not yet started, that hands the messages for `target` to `endpoints`."""
    server = messaging.get_rpc_server(
        _state['transport'], target, list(endpoints),
        serializer=RequestContextSerializer(serializer or objects_base.CinderObjectSerializer()))
    server.dispatcher = dispatcher.AnsweringDispatcher(server.dispatcher)
    return server
