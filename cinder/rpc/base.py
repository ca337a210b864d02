# SPDX-License-Identifier: Apache-2.0
"""The message bus of this process: transport, servers and clients.

cinder.rpc.client sends messages; cinder.rpc.volume, scheduler and backup define them.
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
from cinder.rpc import dispatcher, notices, outbox, tracing

# Exceptions of this module are restored as their own class on the calling side.
EXCEPTION_MODULES = ('cinder.exception',)
# Retries before a message is dropped: one handles a pooled connection that the broker has closed.
SEND_RETRIES = 1
# Maximum seconds between two attempts to reconnect to the broker, unless configured otherwise; with
# the default of the library, 30 s, the service would be late after a long outage.
RECONNECT_SECONDS = 5
# (ctxt, binary) -> (RPC version, object history version) of the oldest service, None: no limit.
VersionsSource = Callable[[object, str], tuple[str | None, str | None]]

_state: dict[str, Any] = {}
_making = threading.Lock()


def init(conf: cfg.ConfigOpts, min_versions: VersionsSource | None = None,
         url: str | None = None, store: notices.Store | None = None) -> None:
    """Set up the transport without connecting.

    :param min_versions: returns the versions of the oldest service of a binary, which limit what
        the clients of this process send; None: no limit.
    :param url: URL of the transport; None: option transport_url.
    :param store: keeps notifications until they are sent; None: they are dropped if they cannot be
        sent.
    :raises oslo_messaging.exceptions.MessagingException: the URL cannot be used.
    """
    # oslo.messaging selects the executor from the patched threading module, and then warns about
    # its own choice for each server.
    warnings.filterwarnings('ignore', message='Eventlet usages are deprecated')
    warnings.filterwarnings('ignore', message='.*oslo.messaging eventlet executor')
    _state.update(
        conf=conf, url=url, min_versions=min_versions, peers={}, store=store,
        outbox=outbox.Outbox('The operation stays in the database.'),
        # A separate outbox: notifications may use another broker, which must not delay messages.
        notices=outbox.Outbox('It is lost.'),
        transport=messaging.get_rpc_transport(conf, url, EXCEPTION_MODULES))
    with contextlib.suppress(cfg.NoSuchGroupError, cfg.NoSuchOptError):  # other transports
        conf.set_default('rabbit_interval_max', RECONNECT_SECONDS, 'oslo_messaging_rabbit')


def default_to_memory() -> None:
    """Use the in-memory transport if transport_url is not set; must be called before the
    configuration is read."""
    cfg.set_defaults(transport._transport_opts, transport_url='fake:/')


def is_initialized() -> bool:
    return 'transport' in _state


def response_timeout() -> float:
    """Return the seconds to wait for the response of a call; 60 before init()."""
    return _state['conf'].rpc_response_timeout if is_initialized() else 60.0


def was_answered() -> bool:
    """Return whether a call of this process was answered, so the queue of its answers exists."""
    return 'answered' in _state


def note_answer() -> None:
    """Note that a call of this process was answered."""
    _state['answered'] = True


def make_once(name: str, make: Callable[[cfg.ConfigOpts], object]) -> object:
    """Return the result of `make(conf)`, called once for each init(); None before init()."""
    if is_initialized() and name not in _state:
        with _making:
            if name not in _state:
                _state[name] = make(_state['conf'])
    return _state.get(name)


def cast_outbox() -> outbox.Outbox:
    """Return the outbox of casts."""
    return _state['outbox']


def notification_outbox() -> outbox.Outbox:
    """Return the outbox of notifications."""
    return _state['notices']


def notice_store() -> notices.Store | None:
    """Return what keeps notifications until they are sent."""
    return _state.get('store')


def reset() -> None:
    """Discard the cached versions of the peers; they are read again when needed."""
    if is_initialized():
        # A thread that is reading versions now stores them in the discarded dictionary.
        _state['peers'] = {}


def cached_peers() -> dict[str, tuple[str | None, messaging.RPCClient]]:
    """Return the cached peers: binary -> (version that all its services support, client limited to
    that version)."""
    return _state['peers']


def minimum_versions(ctxt: context.RequestContext,
                     binary: str) -> tuple[str | None, str | None] | None:
    """Return the versions of the oldest service of a binary; None if init() got no source."""
    return _state['min_versions'] and _state['min_versions'](ctxt, binary)


def transport_url() -> messaging.TransportURL:
    """Return the parsed URL of the transport."""
    return messaging.TransportURL.parse(_state['conf'], _state['url'])


def flush() -> None:
    """Send the waiting messages, for a few seconds at most."""
    if is_initialized():
        _state['outbox'].flush(outbox.OUTAGE_PAUSE)
        _state['notices'].flush(outbox.OUTAGE_PAUSE)
        if _state.get('sender'):
            _state['sender'].stop(outbox.OUTAGE_PAUSE)


def cleanup() -> None:
    """Send the waiting messages and close the connections."""
    if not is_initialized():
        return
    flush()
    _state['transport'].cleanup()
    _state.clear()


class RequestContextSerializer(messaging.Serializer):
    """Serializes the request context of each message; `base` serializes the arguments."""

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
    """Create a client for `target` that does not send messages newer than `version_cap`.

    :param serializer: serializer of the arguments; default: the one of versioned objects.
    """
    return messaging.get_rpc_client(
        _state['transport'], target, version_cap=version_cap, retry=SEND_RETRIES,
        serializer=RequestContextSerializer(serializer or objects_base.CinderObjectSerializer()))


def get_server(target: messaging.Target, endpoints: Sequence[object],
               serializer: messaging.Serializer | None = None) -> messaging.MessageHandlingServer:
    """Create a server that passes the messages for `target` to `endpoints`; it is not started."""
    server = messaging.get_rpc_server(
        _state['transport'], target, list(endpoints),
        serializer=RequestContextSerializer(serializer or objects_base.CinderObjectSerializer()))
    server.dispatcher = dispatcher.ReplyDispatcher(server.dispatcher)
    return server
