# SPDX-License-Identifier: Apache-2.0
"""A trace goes through the bus with its request, and with no other."""
import oslo_messaging as messaging
import pytest

from cinder import context
from cinder.conf import CONF
from cinder.rpc import base, tracing
from cinder.rpc import client as senders
from tests.fakes import bus as fake_bus

osprofiler = pytest.importorskip('osprofiler.profiler')


class Peer:
    def where(self, ctxt):
        return tracing.current_trace()


@pytest.fixture
def ask(monkeypatch):
    fake_bus.listen_closely(monkeypatch)
    base.init(CONF, url='fake:/')
    server = base.get_server(messaging.Target(topic='traced', server='one'), [Peer()])
    server.start()
    client = base.get_client(messaging.Target(topic='traced', server='one'))
    ctxt = context.get_admin_context()
    yield lambda: senders.Sender(lambda: (client, {'timeout': 3})).call(ctxt, 'where')
    server.stop()
    base.cleanup()


@pytest.fixture
def noted():
    from osprofiler import notifier
    points, before = [], notifier.get()
    notifier.set(lambda payload, **_rest: points.append(payload))
    yield points
    osprofiler.clean()
    notifier.set(before)


def test_what_the_peer_does_is_part_of_the_trace(ask, noted):
    trace = osprofiler.init('SECRET')
    trace.start('here')
    there = ask()
    assert there['base_id'] == trace.get_base_id()
    assert there['parent_id'] not in (None, trace.get_id())
    assert [point['name'] for point in noted] == ['here-start', 'rpc-start', 'rpc-stop']
    assert noted[1]['parent_id'] == trace.get_id()
    assert noted[1]['info']['method'] == 'where'
    osprofiler.clean()
    # The next message, in the same thread of the peer, came without a trace.
    assert ask() is None
