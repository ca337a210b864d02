# SPDX-License-Identifier: Apache-2.0
"""The message bus: transport, servers, and clients that an older peer can follow.

What is said on the bus is in cinder.rpc.volume and cinder.rpc.scheduler.
"""
import contextlib
import functools
import logging
import os
import queue
import socket
import threading
import time
import warnings
from collections.abc import Callable, Sequence

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import transport

from cinder import context, exception, utils
from cinder.objects import base as objects_base
from cinder.rpc import answering, tracing

LOG = logging.getLogger(__name__)

# Exceptions of this module are rebuilt as themselves on the calling side.
EXCEPTION_MODULES = ('cinder.exception',)
# Attempts to reconnect before a message is given up: one covers a connection that the broker
# closed while it lay in the pool.
SEND_RETRIES = 1
# While the broker is away, messages are dropped for this many seconds after each failure
# instead of queueing up behind connection attempts; the operation rows keep the work.
OUTAGE_PAUSE = 5
OUTBOX_SIZE = 1000
# Longest pause between two attempts to reach a broker again, unless the operator says otherwise;
# the library's own 30 s is what everybody would wait after a long outage.
RECONNECT_SECONDS = 5
# A call whose receiver has no queue is tried again for so long: after the broker came back, a
# service needs some seconds to find that out and to make its queue again.
ABSENCE_SECONDS = 15
ABSENCE_PAUSE = 0.5
# Seconds for a connection to a broker: of a service that waits for it, and of one that only looks.
CONNECT_SECONDS, GLANCE_SECONDS = 5, 1
# (ctxt, binary) -> (RPC version, object history version) of the oldest service, None: no limit.
VersionsSource = Callable[[object, str], tuple[str | None, str | None]]

_state: dict[str, object] = {}
_clients: dict[str, tuple[str | None, messaging.RPCClient]] = {}


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
        conf=conf, url=url, min_versions=min_versions,
        outbox=_Outbox('The work is found in the database.'),
        # One of its own: notifications may go to another broker, which must hold up nothing.
        notices=_Outbox('It is lost.'),
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
        _state[name] = make(_state['conf'])
    return _state.get(name)


def notices() -> '_Outbox':
    """Where notifications wait to be sent."""
    return _state['notices']


def reset() -> None:
    """Forget the versions of the peers: they are read again when next needed."""
    _clients.clear()


def flush() -> None:
    """Send what is still waiting, for a few seconds at most."""
    if initialized():
        _state['outbox'].flush(OUTAGE_PAUSE)
        _state['notices'].flush(OUTAGE_PAUSE)


def cleanup() -> None:
    """Send what is still waiting and close the connections."""
    if not initialized():
        return
    flush()
    _state['transport'].cleanup()
    _state.clear()
    reset()


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
    server.dispatcher = answering.AnsweringDispatcher(server.dispatcher)
    return server


def wait_for_broker(pause: float = 0.5, longest: float = 15, topic: str | None = None,
                    servers: Sequence[str] = (), ask: Callable | None = None) -> None:
    """Return once a broker of `transport_url` serves us; at once for the in-memory bus.

    Without this the library would retry by itself, with an error in the log for each attempt.

    :param pause: seconds between the first two attempts, doubled each time up to `longest`.
    :param topic: whose queues to declare, as get_server() will; None: none.
    :param servers: names of the service that has them.
    :param ask: takes the place of broker.ask().
    :raises InvalidConfigurationValue: the broker refuses the login, the virtual host or a queue.
    """
    url, told = _url(), False
    while True:
        trouble = _trouble(url, CONNECT_SECONDS, topic, servers, ask)
        if trouble is None:
            break
        if not told:
            LOG.warning('The message broker (%s) does not answer: waiting for it. %s',
                        ', '.join(f'{name}:{port}' for name, port in _addresses(url)), trouble)
            told = True
        time.sleep(pause)
        pause = min(pause * 2, longest)
    if told:
        LOG.info('The message broker answers.')


def check_broker() -> None:
    """Ask a broker that is there whether it lets us in; one that is away is not waited for.

    :raises InvalidConfigurationValue: it refuses the login or the virtual host.
    """
    _trouble(_url(), GLANCE_SECONDS)


def _url() -> messaging.TransportURL:
    return messaging.TransportURL.parse(_state['conf'], _state['url'])


def _addresses(url: messaging.TransportURL) -> list[tuple[str, int]]:
    return [(host.hostname, host.port or 5672) for host in url.hosts if host.hostname]


def _trouble(url: messaging.TransportURL, seconds: float, topic: str | None = None,
             servers: Sequence[str] = (), ask: Callable | None = None) -> str | None:
    """Why no broker serves us at this time; None: one does, or it is none that can be asked."""
    addresses = _addresses(url)
    if not addresses:
        return None
    if not any(_reachable(address, seconds) for address in addresses):
        return 'No connection is accepted.'
    if not url.transport.startswith('rabbit'):
        return None
    try:
        (ask or _ask)(_state['conf'], url, topic, servers)
    except OSError as exc:
        return f'{utils.one_line(exc)}.'
    return None


def _ask(*arguments: object) -> None:
    from cinder.rpc import broker  # other buses need not load it
    broker.ask(*arguments)


def _reachable(address: tuple[str, int], seconds: float) -> bool:
    try:
        socket.create_connection(address, timeout=seconds).close()
    except OSError:
        return False
    return True


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

    def _client(self) -> tuple[str | None, messaging.RPCClient]:
        if self.BINARY in _clients:
            return _clients[self.BINARY]
        ask = _state['min_versions']
        cap, object_cap = (
            ask(context.get_admin_context(), self.BINARY) if ask else (None, None))
        made = cap, get_client(messaging.Target(topic=self.TOPIC), cap,
                               objects_base.CinderObjectSerializer(object_cap))
        # Without any service yet there is nothing to remember: the first may be an old one.
        if cap or not ask:
            _clients[self.BINARY] = made
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
            _state['outbox'].put(
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
    if type(exc).__module__ in EXCEPTION_MODULES:
        return exc
    LOG.debug('The peer answered with: %s', exc)
    exc.__class__ = type(exc).__mro__[1]
    return exc


class _Outbox:
    """One thread that sends casts in order, so that no request waits for a slow broker.

    :param consolation: what is told with each message that is dropped.
    """

    def __init__(self, consolation: str = '') -> None:
        self._consolation = consolation
        self._pid: int | None = None
        self._resume_at = 0.0
        self._lost = 0

    def put(self, send: Callable[[], None], method: str) -> None:
        if self._pid != os.getpid():
            # A forked worker has the queue of its parent but not the thread.
            self._pid = os.getpid()
            self._queue: queue.Queue = queue.Queue(OUTBOX_SIZE)
            threading.Thread(target=self._run, args=(self._queue,), daemon=True,
                             name='rpc-outbox').start()
        try:
            self._queue.put_nowait((send, method))
        except queue.Full:
            self._drop(method, 'too many messages wait to be sent')

    def flush(self, seconds: float) -> None:
        """Wait until everything was sent, for so many seconds at most."""
        deadline = time.monotonic() + seconds
        while (self._pid == os.getpid() and self._queue.unfinished_tasks
               and time.monotonic() < deadline):
            time.sleep(0.01)

    def _run(self, waiting: queue.Queue) -> None:
        while True:
            self._send(*waiting.get())
            waiting.task_done()

    def _send(self, send: Callable[[], None], method: str) -> None:
        if time.monotonic() < self._resume_at:
            self._drop(method, 'the broker is away')
            return
        try:
            send()
        except Exception as exc:  # whatever one message meets, the next ones must go out
            self._resume_at = time.monotonic() + OUTAGE_PAUSE
            self._drop(method, exc)
            return
        if self._lost:
            LOG.info('Messages can be sent again; %d were dropped.', self._lost)
            self._lost = 0

    def _drop(self, method: str, reason: object) -> None:
        level = logging.DEBUG if self._lost else logging.WARNING
        LOG.log(level, 'Message %s was not sent: %s. %s', method, reason, self._consolation)
        self._lost += 1
