# SPDX-License-Identifier: Apache-2.0
"""A volume service with far more to do than it can at a time: it hears every message, short work of
another project goes on, and calls are refused in time rather than kept waiting."""
import functools
import threading
import time
import types

import oslo_messaging as messaging
import pytest

from cinder import context, coordination, exception, objects
from cinder.conf import CONF
from cinder.db import journal
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.rpc import base as rpc
from cinder.rpc import volume as volume_rpc
from cinder.service import liveness
from cinder.volume import manager as manager_package
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import locks
from cinder.volume.manager import calls
from tests.fakes import journal as fake_journal
from tests.unit.volume.conftest import BACKEND, POOL

CROWD = 100


@pytest.fixture
def served(database, conf):
    """A manager that is reached over the in-memory bus, and its liveness check."""
    objects.register_all()
    rpc.init(CONF, url='fake:/')
    manager = manager_package.VolumeManager(BACKEND)
    manager.init_host()
    heart = liveness.Liveness('cinder-volume', BACKEND, interval=5, lost_after=5)
    servers = [rpc.get_server(target, endpoints) for target, endpoints in (
        (messaging.Target(topic='cinder-volume', server=BACKEND),
         [heart, *manager.additional_endpoints, manager]),
        (heart.address, [heart]))]
    for server in servers:
        server.start()
    yield manager, heart
    manager.stop()
    for server in servers:
        server.stop()
    rpc.cleanup()


def _creation(ctxt, project, **arguments):
    """A volume that is placed here and not made yet, and its operation."""
    volume = volumes_db.create(ctxt, {'project_id': project, 'user_id': 'u', 'size': 1,
                                      'status': 'creating', 'attach_status': 'detached',
                                      'host': POOL})
    operation = operations_db.create(ctxt, 'volume.create', volume, host=BACKEND,
                                     arguments=arguments)
    return volumes_db.get(ctxt, volume.id), operation


def _until(ask, seconds=10):
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, 'waited too long'
        time.sleep(0.005)


def test_a_crowd_of_copies_keeps_nobody_else_waiting(served, ctxt, monkeypatch):
    manager, heart = served
    driver, gate = manager.backend.driver, threading.Event()
    monkeypatch.setattr(driver, 'bulk_verbs', frozenset(['volume.clone']))
    real = driver.create_volume

    def create(volume):
        if volume.project_id == 'crowd':
            assert gate.wait(30)
        return real(volume)
    monkeypatch.setattr(driver, 'create_volume', create)
    api = volume_rpc.VolumeAPI()
    crowd = [_creation(ctxt, 'crowd', has_source=True) for _ in range(CROWD)]
    try:
        for volume, operation in crowd:
            api.start(ctxt, operation, volume)
        executor = manager.runner.executor
        _until(lambda: executor.describe()['bulk']['waiting'] == CROWD - executor.bounds['bulk'])
        assert heart.check(context.get_admin_context())
        volume, operation = _creation(ctxt, 'other')
        api.start(ctxt, operation, volume)
        _until(lambda: volumes_db.get(ctxt, volume.id).status == 'available')
    finally:
        gate.set()
    assert manager.runner.wait(60)
    assert {volumes_db.get(ctxt, volume.id).status for volume, _operation in crowd} == {'available'}


def test_calls_that_cannot_be_answered_are_refused_and_leave_room_for_messages(
        served, ctxt, monkeypatch):
    manager, heart = served
    monkeypatch.setattr(calls, 'WAIT_SHARE', 0.004)
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available',
                                      'host': POOL})
    volume = volumes_db.get(ctxt, volume.id)
    refused = []

    def ask():
        try:
            volume_rpc.VolumeAPI().initialize_connection(ctxt, volume, {'host': 'h'})
        except exception.CinderException as exc:
            refused.append(type(exc))

    with coordination.lock(f'volume-{volume.id}'):
        callers = [threading.Thread(target=ask) for _ in range(70)]
        for caller in callers:
            caller.start()
        assert heart.check(context.get_admin_context())
        made, operation = _creation(ctxt, 'other')
        volume_rpc.VolumeAPI().start(ctxt, operation, made)
        _until(lambda: volumes_db.get(ctxt, made.id).status == 'available')
        for caller in callers:
            caller.join()
    assert len(refused) == 70
    assert set(refused) <= {exception.ResourceBusy, exception.TooManyCalls}
    assert exception.ResourceBusy in refused
    # And when the lock is free, a call is answered.
    assert volume_rpc.VolumeAPI().initialize_connection(ctxt, volume, {'host': 'h'})['data']
    assert manager.runner.wait(10)


def test_an_operation_whose_resource_is_held_waits_in_the_journal(served, ctxt, monkeypatch):
    manager, _heart = served
    monkeypatch.setattr('cinder.volume.host.locks.LOCK_SECONDS', 0.01)
    monkeypatch.setattr('cinder.volume.host.locks.SET_ASIDE_SECONDS', 0.2)
    made, operation = _creation(ctxt, 'p1')
    with coordination.lock(f'volume-{made.id}'):
        manager.runner.submit(ctxt, operation, made)
        assert manager.runner.wait(10)
        row = operations_db.get(ctxt, operation.id)
        assert (row.state, row.attempt) == ('queued', 0)
    _until(lambda: volumes_db.get(ctxt, made.id).status == 'available')


@pytest.fixture
def source(served, ctxt):
    """A volume that others are made from."""
    made = volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u', 'size': 1, 'host': POOL,
                                    'status': 'available', 'attach_status': 'detached'})
    served[0].backend.driver.create_volume(made)
    return volumes_db.get(ctxt, made.id)


@pytest.fixture
def copies(served, ctxt, source, monkeypatch):
    """As many clones of the source as there are places; they go on when the gate is opened."""
    manager, _heart = served
    driver, gate = manager.backend.driver, threading.Event()
    bound = manager.runner.executor.bounds['bulk']
    together = threading.Barrier(bound + 1)
    monkeypatch.setattr(driver, 'bulk_verbs', frozenset(['volume.clone']))
    real = driver.create_cloned_volume

    def clone(volume, src_vref):
        together.wait(10)
        assert gate.wait(30)
        return real(volume, src_vref)
    monkeypatch.setattr(driver, 'create_cloned_volume', clone)
    made = []
    for _ in range(bound):
        volume, operation = _creation(ctxt, 'p1', has_source=True)
        volumes_db.update(ctxt, volume.id, {'source_volid': source.id})
        manager.runner.submit(ctxt, operation)
        made.append(volume.id)
    together.wait(10)
    yield types.SimpleNamespace(ids=made, gate=gate, bound=bound)
    gate.set()


def _counts(manager):
    return {kind: each['running'] for kind, each in manager.runner.executor.describe().items()}


def test_a_source_is_attached_while_copies_of_it_are_made(served, ctxt, source, copies):
    """All at a time, and nobody has to wait for them."""
    manager, _heart = served
    assert _counts(manager) == {'short': 0, 'bulk': copies.bound} and copies.bound == 8
    began = time.monotonic()
    api = volume_rpc.VolumeAPI()
    assert api.initialize_connection(ctxt, source, {'host': 'h'})['data']
    api.terminate_connection(ctxt, source, {'host': 'h'})
    assert time.monotonic() - began < rpc.response_timeout() * calls.WAIT_SHARE / 4
    assert _counts(manager)['bulk'] == copies.bound
    copies.gate.set()
    assert manager.runner.wait(30)
    assert {volumes_db.get(ctxt, ident).status for ident in copies.ids} == {'available'}


@pytest.mark.parametrize('verb', ['volume.delete', 'volume.extend'])
def test_what_ends_the_bytes_of_a_source_waits_for_its_copies_in_the_journal(
        served, ctxt, source, copies, folder, monkeypatch, verb):
    """It holds no place: short work has all of them, and calls are answered."""
    manager, _heart = served
    monkeypatch.setattr(locks, 'READ_SECONDS', 0.01)
    if verb == 'volume.delete':
        volumes_api.delete(ctxt, source)
    else:
        volumes_api.extend(ctxt, source, 2)
        asked, = journal.unfinished_for(ctxt, source.id)
        fake_journal.schedule(ctxt, asked, BACKEND)
        volume_rpc.VolumeAPI().start(ctxt, asked, source)
    operation, = journal.unfinished_for(ctxt, source.id)
    _until(lambda: operations_db.get(ctxt, operation.id).arguments.get('waiting'))
    _until(lambda: _counts(manager)['short'] == 0)
    row = operations_db.get(ctxt, operation.id)
    assert (row.attempt, row.arguments['waiting']['for']) == (0, f'lock bytes-{source.name}')
    answer = functools.partial(volume_rpc.VolumeAPI().initialize_connection, ctxt, source,
                               {'host': 'h'})
    if verb == 'volume.delete':
        with pytest.raises(exception.InvalidVolume, match="status 'deleting'"):
            answer()
    else:
        assert answer()['data']
    assert (folder / source.name).stat().st_size == 2 ** 30
    copies.gate.set()
    _until(lambda: operations_db.get(ctxt, operation.id).state == 'done')
    assert manager.runner.wait(30)
    assert {volumes_db.get(ctxt, ident).status for ident in copies.ids} == {'available'}
    assert (folder / source.name).exists() == (verb == 'volume.extend')


def test_a_copy_of_what_is_being_ended_waits_in_the_journal(served, ctxt, source, monkeypatch):
    manager, _heart = served
    monkeypatch.setattr(locks, 'LOCK_SECONDS', 0.01)
    monkeypatch.setattr(locks, 'SET_ASIDE_SECONDS', 0.05)
    volume, operation = _creation(ctxt, 'p1', has_source=True)
    volumes_db.update(ctxt, volume.id, {'source_volid': source.id})
    with locks.write_lock(source):
        manager.runner.submit(ctxt, operation)
        _until(lambda: operations_db.get(ctxt, operation.id).arguments.get('waiting'))
        assert volumes_db.get(ctxt, volume.id).status == 'creating'
    _until(lambda: volumes_db.get(ctxt, volume.id).status == 'available')


def test_the_bytes_of_a_source_are_followed_to_another_row(source, monkeypatch):
    """A migration gives them to the row that is deleted then, whose id is another."""
    monkeypatch.setattr(locks, 'READ_SECONDS', 0.01)
    with locks.read_lock(source):
        left = objects.Volume(id='11111111-2222-4333-8444-555555555555', name_id=source.id)
        with pytest.raises(exception.NotYet), locks.write_lock(left):
            pass
