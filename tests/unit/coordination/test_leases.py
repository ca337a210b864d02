# SPDX-License-Identifier: Apache-2.0
"""Locks with leases: when a process takes its own for lost, and that it never does so too late."""
import random

import pytest
import tooz

from cinder import coordination, exception, ownership
from cinder.brick import blocking
from cinder.brick.local_dev.throttle import Throttle
from cinder.coordination import leases, services
from cinder.privsep import command
from cinder.volume.targets import base
from tests.fakes.locks import SECONDS, Driver, Service


@pytest.fixture(autouse=True)
def no_thread(monkeypatch):
    """Tests beat themselves."""
    monkeypatch.setattr(leases.Leases, '_keep', lambda self: None)


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def connect(service):
    def connect(**kwargs):
        made = leases.Leases(Driver(service, **kwargs), service.clock)
        made.start()
        return made
    return connect


@pytest.fixture
def one(connect):
    return connect()


def take(connection, name='a'):
    return connection.take(name, deadline=0)


def test_heartbeats_keep_a_lock(one, service):
    held = take(one)
    for _ in range(10):
        service.now += SECONDS - 1
        one.beat()
        held.confirm()
    one.release(held)
    assert service.owners == {} and not one.lost


def test_a_lock_without_heartbeats_is_lost_before_others_can_have_it(one, connect, service):
    held, other = take(one), connect()
    service.now += SECONDS - 0.01
    held.confirm()
    with pytest.raises(exception.LockTimeout):
        take(other)
    service.now += 0.01
    with pytest.raises(exception.LockLost):
        held.confirm()
    take(other).confirm()


def test_what_is_lost_stays_lost_also_when_the_next_heartbeat_succeeds(one, service, caplog):
    """A process that was stopped wakes up, and its heartbeat comes first."""
    held = take(one)
    service.now += SECONDS
    one.beat()
    with pytest.raises(exception.LockLost):
        held.confirm()
    assert one.lost and caplog.text.count('locks of this process are lost') == 1


def test_a_heartbeat_that_comes_too_late_saves_nothing(one, service):
    """It was sent in time and the service has let go of the lock all the same."""
    held = take(one)
    service.now += SECONDS - 1
    service.delay = 2, 0
    one.beat()
    assert service.owner_of(b'a') is None and held.lost


def test_a_lock_that_was_taken_while_a_heartbeat_was_under_way_is_not_prolonged_by_it(one, service):
    began = service.now
    service.now += 5
    held = take(one)
    held.prolong(began + 1, 1000)
    service.now += SECONDS
    assert held.is_lost()


def test_when_one_is_lost_all_of_the_connection_are(one, service):
    old = take(one, 'old')
    service.now += SECONDS - 1
    new = take(one, 'new')
    service.now += 1
    one.beat()
    assert old.lost and new.lost and take(one, 'later').lost


def test_a_service_that_is_away_for_less_than_a_lease_costs_nothing(one, service):
    held = take(one)
    service.away = True
    service.now += SECONDS / 2
    with pytest.raises(tooz.ToozError):
        one.beat()
    assert not one.lost
    service.away = False
    one.beat()
    held.confirm()
    service.away = True
    service.now += SECONDS
    with pytest.raises(tooz.ToozError):
        one.beat()
    assert one.lost and held.lost


def test_a_service_that_can_tell_is_asked(connect, service):
    """Its memory was lost, long before the lease runs out."""
    connection = connect(tells=True)
    held = take(connection)
    connection.beat()
    held.confirm()
    service.owners.clear()
    connection.beat()
    assert connection.lost
    with pytest.raises(exception.LockLost):
        held.confirm()


def test_a_lock_that_could_not_be_released_is_not_kept_for_ever(one, connect, service, caplog):
    held = take(one)
    service.away = True
    one.release(held)
    assert 'could not be released; it is retried' in caplog.text
    service.away = False
    one.beat()
    take(connect()).confirm()


def test_a_stop_releases_what_is_held_and_stops_what_is_done_under_it(one, connect, service):
    held = take(one)
    one.stop()
    assert held.lost and one._driver.stopped
    take(connect()).confirm()


def test_a_lost_connection_is_closed_with_its_last_lock(one):
    held, other = take(one), take(one, 'b')
    one.lose()
    one.release(held)
    assert not one._driver.stopped
    one.release(other)
    assert one._driver.stopped


@pytest.mark.parametrize('seed', range(20))
def test_two_never_believe_to_have_a_lock(connect, service, seed):
    """Whatever the order of pauses, outages and heartbeats."""
    chance = random.Random(seed)
    connections = [connect(), connect()]
    helds = [None, None]
    for _ in range(300):
        service.now += chance.expovariate(1 / 8)
        service.away = chance.random() < 0.2
        service.delay = chance.choice([(0, 0), (0, 9), (9, 0), (9, 9), (0, SECONDS)])
        who = chance.randrange(2)
        try:
            if chance.random() < 0.5:
                connections[who].beat()
            elif helds[who] is None:
                helds[who] = take(connections[who])
            elif helds[who].is_lost() or chance.random() < 0.1:
                connections[who].release(helds[who])
                helds[who] = None
            if connections[who].lost:
                connections[who], helds[who] = connect(), None
        except (tooz.ToozError, exception.LockCreationFailed):
            pass
        assert sum(held is not None and not held.is_lost() for held in helds) <= 1


# ------------------------------------------------------------------------------- the coordinator
@pytest.fixture
def coordinator(service, monkeypatch):
    monkeypatch.setattr(services, 'make', lambda _url: Driver(service))
    monkeypatch.setattr(leases.Leases, '__init__', lambda self, driver, init=(
        leases.Leases.__init__): init(self, driver, service.clock))
    made = coordination.Coordinator('etcd3+http://somewhere')
    yield made
    made.stop()


@pytest.mark.parametrize('way', ['lock', 'shared'])
def test_work_is_told_of_its_own_lock_until_it_ends(coordinator, service, way):
    with getattr(coordinator, way)('a'):
        ownership.confirm()
        service.now += SECONDS
        with pytest.raises(exception.LockLost):
            ownership.confirm()
        with ownership.ignoring_loss():
            ownership.confirm()
    ownership.confirm()
    # The next one is of a connection that works, once the loss was noticed.
    coordinator._leases.lose()
    with getattr(coordinator, way)('a'):
        ownership.confirm()


def test_services_of_a_process_share_the_connection(coordinator, service):
    coordinator.start_with_retry()
    coordinator.start_with_retry()
    with coordinator.lock('a'):
        coordinator.stop()
        ownership.confirm()
        coordinator.stop()
        assert service.owners == {}
        with pytest.raises(exception.LockLost):
            ownership.confirm()


CHANGES = {
    'a command': lambda: command.execute('lvs'),
    'a call of the file system': lambda: blocking.call(list),
    'a piece of an image': lambda: blocking.piece(list), 'a copy': lambda: blocking.copy(list),
    'the next piece of a copy': lambda: next(Throttle().pieces(1)),
    'what the kernel is asked for': lambda: base.kernel_errors('LIO', 'x').__enter__()}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_no_change_begins_when_the_lock_is_lost(coordinator, service, change):
    with coordinator.lock('a'):
        service.now += SECONDS
        with pytest.raises(exception.LockLost):
            change()
