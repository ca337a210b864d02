# SPDX-License-Identifier: Apache-2.0
"""The bus over the in-memory transport: casts, calls, errors, versions, a broker that is away."""
import socket
import threading
import time

import amqp.exceptions
import kombu.exceptions
import oslo_messaging as messaging
import pytest

from cinder import context, exception, fault_points, objects
from cinder.conf import CONF
from cinder.objects import base as objects_base
from cinder.rpc import base, client, reachability
from cinder.rpc import outbox as outboxes
from tests.fakes import bus as fake_bus


class PeerAPI(client.RPCAPI):
    TOPIC = 'peer'
    BINARY = 'cinder-peer'
    RPC_API_VERSION = '1.5'


class Peer:
    target = messaging.Target(version='1.5')

    def __init__(self):
        self.got = []
        self.arrived = threading.Event()

    def tell(self, ctxt, **arguments):
        self.got.append((ctxt, arguments))
        self.arrived.set()

    def echo(self, ctxt, value):
        return value

    def refuse(self, ctxt):
        raise exception.InvalidVolume(reason='it is red')

    def fail_unspeakably(self, ctxt):
        raise ValueError('no words', object())

    @messaging.expected_exceptions(OSError)
    def refuse_unspeakably(self, ctxt):
        raise OSError(1, b'\xff')

    def answer_unspeakably(self, ctxt):
        return {'a': object()}


@pytest.fixture(autouse=True)
def conf(monkeypatch):
    fake_bus.listen_closely(monkeypatch)
    messaging.get_rpc_transport(CONF, 'fake:/')
    CONF.set_override('transport_url', 'fake:/')
    yield CONF
    CONF.clear_override('transport_url')
    base._state.clear()
    base.reset()


@pytest.fixture
def ctxt():
    return context.RequestContext(user_id='u', project_id='p', is_admin=False)


@pytest.fixture
def peer(conf):
    objects.register_all()
    base.init(conf)
    peer = Peer()
    server = base.get_server(messaging.Target(topic='peer', server='one@lvm'), [peer])
    server.start()
    yield peer
    server.stop()
    base.cleanup()


@pytest.fixture
def versions(conf, request):
    asked = []

    def source(ctxt, binary):
        asked.append(binary)
        return request.param
    base.init(conf, source)
    return asked


def test_nothing_is_set_up_before_init_and_after_cleanup(conf):
    assert not base.is_initialized()
    base.init(conf)
    assert base.is_initialized()
    base.cleanup()
    assert not base.is_initialized()


@pytest.mark.parametrize('to', [{}, {'host': 'one@lvm'}, {'host': 'one@lvm#pool'},
                                {'fanout': True}])
def test_cast_brings_context_and_objects(peer, ctxt, to):
    service = objects.Service(id=3, host='one@lvm')
    PeerAPI().cctxt(**to).cast(ctxt, 'tell', service=service)
    assert peer.arrived.wait(3)
    (got, arguments), = peer.got
    assert (got.user_id, got.project_id, got.request_id) == ('u', 'p', ctxt.request_id)
    assert arguments['service'].host == 'one@lvm'


def test_a_fault_point_sends_each_cast_twice(peer, ctxt):
    fault_points.arm(['bus:duplicate=duplicate'])
    PeerAPI().cctxt().cast(ctxt, 'tell')
    fault_points.arm([])
    deadline = time.monotonic() + 3
    while len(peer.got) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(peer.got) == 2


def test_call_returns_the_answer(peer, ctxt):
    answer = PeerAPI().cctxt(timeout=3).call(ctxt, 'echo', value={'a': [1, None]})
    assert answer == {'a': [1, None]}


def test_call_raises_what_the_peer_raised(peer, ctxt):
    with pytest.raises(exception.InvalidVolume) as caught:
        PeerAPI().cctxt(timeout=3).call(ctxt, 'refuse')
    assert str(caught.value) == 'Invalid volume: it is red'


@pytest.mark.parametrize(('method', 'kind'), [
    ('fail_unspeakably', 'ValueError'), ('refuse_unspeakably', 'PermissionError'),
    ('answer_unspeakably', 'TypeError')])
def test_what_cannot_be_sent_is_an_error_by_name_at_once(peer, ctxt, caplog, method, kind):
    with pytest.raises(exception.PeerFailed, match=kind):
        PeerAPI().cctxt(timeout=3).call(ctxt, method)
    assert 'Traceback' in caplog.text or 'cannot be sent' in caplog.text


def test_an_error_that_crossed_a_broker_loses_the_remote_traceback():
    remote = type('InvalidVolume_Remote', (exception.InvalidVolume,),
                  {'__str__': lambda self: 'Traceback (most recent call last)',
                   '__module__': 'cinder.exception_Remote'})
    error = exception.InvalidVolume(reason='it is red')
    error.__class__ = remote
    local = client._local(error)
    assert type(local) is exception.InvalidVolume
    assert str(local) == 'Invalid volume: it is red'


def test_call_without_answer_is_service_unavailable(conf, ctxt):
    base.init(conf)
    with pytest.raises(exception.ServiceUnavailable):
        PeerAPI().cctxt(host='nobody', timeout=0.1).call(ctxt, 'echo', value=1)


def test_first_call_does_not_wait_for_a_broker(conf, ctxt, monkeypatch):
    """The library would, without a time limit, to make the queue of the answers."""
    base.init(conf)
    troubles = ['No connection is accepted.', None]
    monkeypatch.setattr(reachability, 'find_trouble', lambda: troubles.pop(0))
    sender = client.Sender(lambda: (Absent(1), {}))
    with pytest.raises(exception.ServiceUnavailable):
        sender.call(ctxt, 'ask')
    assert [sender.call(ctxt, 'ask'), sender.call(ctxt, 'ask')] == ['ask', 'ask']
    assert troubles == []


@pytest.mark.parametrize(('raised', 'expected'), [
    (ConnectionRefusedError(), exception.ServiceUnavailable),
    (kombu.exceptions.OperationalError('refused'), exception.ServiceUnavailable),
    (amqp.exceptions.ConnectionForced('closed'), exception.ServiceUnavailable),
    (messaging.MessageDeliveryFailure(), exception.ServiceUnavailable),
    (messaging.MessagingTimeout(), exception.RPCTimeout), (ValueError('ours'), ValueError)])
def test_errors_of_the_connection_are_service_unavailable(conf, ctxt, monkeypatch, raised,
                                                          expected):
    base.init(conf)
    absent = Absent(1)

    def call(_ctxt, _method):
        raise raised

    monkeypatch.setattr(absent, 'call', call)
    with pytest.raises(expected):
        client.Sender(lambda: (absent, {})).call(ctxt, 'ask')


@pytest.mark.parametrize(('url', 'trouble'), [
    ('fake:/', None), ('rabbit://u:p@127.0.0.1:1/', 'No connection is accepted.')])
def test_what_keeps_the_bus_from_working(conf, url, trouble):
    base.init(conf, url=url)
    assert reachability.find_trouble() == trouble
    assert reachability.names_broker() is (trouble is not None)


class Absent:
    """A client whose receiver makes its queue after some attempts."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts

    def prepare(self, transport_options=None) -> 'Absent':
        self.told = transport_options is not None and transport_options.at_least_once
        return self

    def can_send_version(self) -> bool:
        return True

    def call(self, ctxt, method):
        assert self.told
        self.attempts -= 1
        if self.attempts > 0:
            raise messaging.MessageUndeliverable(None, 'exchange', 'key', 'message')
        return method


@pytest.mark.parametrize(('attempts', 'seconds', 'fine'), [(3, 1, True), (10 ** 9, 0.1, False)])
def test_call_waits_a_while_for_a_receiver(conf, ctxt, monkeypatch, attempts, seconds, fine):
    base.init(conf)
    monkeypatch.setattr(client, 'ABSENCE_SECONDS', seconds)
    monkeypatch.setattr(client, 'ABSENCE_PAUSE', 0.01)
    sender = client.Sender(lambda: (Absent(attempts), {}))
    if fine:
        assert sender.call(ctxt, 'ask') == 'ask'
    else:
        with pytest.raises(exception.ServiceUnavailable):
            sender.call(ctxt, 'ask')


@pytest.mark.parametrize('versions', [('1.2', '1.0')], indirect=True)
def test_the_oldest_peer_bounds_what_is_sent(versions, ctxt, caplog):
    api = PeerAPI()
    sender = api.cctxt()
    assert sender._client.target.version == '1.2'
    assert sender._client.serializer._base.versions == objects_base.manifest('1.0')
    with pytest.raises(exception.ServiceTooOld):
        api.cctxt(version='1.3').call(ctxt, 'ask')
    # What a cast is about was accepted already: its row in the journal is found.
    api.cctxt(version='1.3').cast(ctxt, 'tell')
    assert 'Message tell was not sent: A service of this deployment is too old' in caplog.text


@pytest.mark.parametrize('versions', [('1.2', '1.0')], indirect=True)
def test_a_cast_survives_a_database_that_is_away(versions, ctxt, caplog, monkeypatch):
    def away(*_args):
        raise exception.DatabaseUnavailable()
    monkeypatch.setitem(base._state, 'min_versions', away)
    PeerAPI().cctxt().cast(ctxt, 'tell')
    assert 'Message tell was not sent' in caplog.text


@pytest.mark.parametrize('versions', [('1.9', None)], indirect=True)
def test_newer_peers_are_sent_our_own_version(versions):
    assert PeerAPI().cctxt()._client.target.version == '1.5'


@pytest.mark.parametrize('versions', [('1.2', None)], indirect=True)
def test_versions_are_read_once_until_reset(versions):
    PeerAPI().cctxt().can_send_version()
    PeerAPI().cctxt().can_send_version()
    assert versions == ['cinder-peer']
    base.reset()
    PeerAPI().cctxt().can_send_version()
    assert len(versions) == 2


@pytest.mark.parametrize('versions', [(None, None)], indirect=True)
def test_versions_are_read_again_while_there_is_no_service(versions):
    PeerAPI().cctxt().can_send_version()
    PeerAPI().cctxt().can_send_version()
    assert len(versions) == 2


def test_a_failed_cast_is_dropped_and_the_next_do_not_wait(caplog):
    outbox, sent = outboxes.Outbox(), []

    def fail():
        raise messaging.MessageDeliveryFailure('no broker')
    outbox.put(fail, 'first')
    outbox.put(lambda: sent.append(1), 'second')
    outbox.flush(3)
    assert sent == []
    outbox._resume_at = 0
    outbox.put(lambda: sent.append(2), 'third')
    outbox.flush(3)
    assert sent == [2]
    warnings = [r for r in caplog.records if r.levelname == 'WARNING']
    assert len(warnings) == 1 and 'first' in warnings[0].getMessage()


def test_casts_to_a_dead_broker_cost_the_caller_nothing(ctxt):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    CONF.set_override('transport_url', f'rabbit://u:p@127.0.0.1:{port}/')
    base.init(CONF)
    for _ in range(20):
        PeerAPI().cctxt().cast(ctxt, 'tell')
    assert time.monotonic() - started < 1


def test_a_broker_that_was_away_for_long_is_found_again_soon():
    CONF.set_override('transport_url', 'rabbit://u:p@127.0.0.1:1/')
    base.init(CONF)
    assert CONF.oslo_messaging_rabbit.rabbit_interval_max == base.RECONNECT_SECONDS


def test_a_broker_that_ends_connections_is_waited_for_and_a_refusal_is_not(caplog):
    answers = [OSError('connection reset'), OSError('connection reset'), None]
    asked = []

    def ask(conf, url, topic, servers):
        asked.append((topic, servers))
        answer = answers.pop(0)
        if answer:
            raise answer
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        CONF.set_override('transport_url',
                          f'rabbit://u:p@127.0.0.1:{listener.getsockname()[1]}/')
        base.init(CONF)
        reachability.wait_for_broker(pause=0.01, topic='t', servers=['s'], ask=ask)
        answers.append(exception.InvalidConfigurationValue('refused'))
        with pytest.raises(exception.InvalidConfigurationValue):
            reachability.wait_for_broker(ask=ask)
    assert asked == [('t', ['s'])] * 3 + [(None, ())]
    assert caplog.text.count('connection reset') == 1


def test_waiting_for_a_broker_says_so_once(caplog):
    caplog.set_level('INFO')
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        port = listener.getsockname()[1]
        CONF.set_override('transport_url', f'rabbit://u:p@127.0.0.1:{port}/')
        base.init(CONF)
        threading.Timer(0.05, listener.listen).start()
        reachability.wait_for_broker(pause=0.01, longest=0.01, ask=lambda *_arguments: None)
    texts = [r.getMessage() for r in caplog.records if r.name == 'cinder.rpc.reachability']
    assert [text.split(':')[0] for text in texts][1:] == ['The message broker responds.']
    assert 'does not respond' in texts[0]
