# SPDX-License-Identifier: Apache-2.0
"""Volumes that move between two back ends over real files, and what is left when they cannot."""
import datetime
import itertools
import os
import time
import types

import oslo_messaging as messaging
import pytest

from cinder import compute, exception, fault_points, host_names, operations
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volume_migrations as migrations_db
from cinder.db import volumes as volumes_db
from cinder.db import waiting as waiting_db
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume import manager as manager_package
from cinder.volume.api import attachments, volume_actions, volume_migrations
from cinder.volume.api import volumes as volumes_api
from cinder.volume.data import nova_swap, volume_copy
from cinder.volume.host import exports
from cinder.volume.manager import migration_rows
from cinder.volume.manager import volume_migrations as endpoint
from cinder.volume.targets import fake, local
from tests.fakes import compute as fake_compute
from tests.fakes import storage
from tests.fakes import volumes as volumes_fakes
from tests.fakes.journal import wake

GIB = 2 ** 30
HERE, THERE = 'here@west', 'here@east'
# Back ends of this file alone: an option that was overridden keeps that as its location.
POOLS = {'west': f'{HERE}#west', 'east': f'{THERE}#east'}
STEPS = [f'volume.migrate:{step}:{when}'
         for step in ('execute:claim', 'target', 'copy', 'progress', 'finish')
         for when in ('before', 'after')]


class Killed(BaseException):
    """The process ends here."""


class Bus:
    """Delivers at once to the manager of a host; what is for the scheduler is kept."""

    def __init__(self):
        self.managers, self.scheduled = {}, []
        self.dead = False

    def die(self):
        """End the process: what it would still send or do on its way out is not sent or done."""
        self.dead = True
        raise Killed

    def sender(self, host):
        return _Sender(self, host and host.partition('#')[0])


class _Sender:
    def __init__(self, bus, host):
        self.bus, self.host = bus, host

    def can_send_version(self):
        return True

    def cast(self, ctxt, method, **arguments):
        if self.bus.dead:
            return
        if self.host is None:
            self.bus.scheduled.append((method, arguments))
        else:
            operation = arguments['operation']
            self.bus.managers[self.host].runner.handlers[operation.verb](ctxt, **arguments)

    def call(self, ctxt, method, **arguments):
        if self.bus.dead:
            return None
        endpoint = next(each for each in self.bus.managers[self.host].additional_endpoints
                        if hasattr(each, method))
        try:
            return getattr(endpoint, method)(ctxt, **arguments)
        except messaging.ExpectedException as expected:
            raise expected.exc_info[1] from None


@pytest.fixture
def bus(monkeypatch):
    made = Bus()
    for api in (scheduler_rpc.SchedulerAPI, volume_rpc.VolumeAPI):
        monkeypatch.setattr(api, 'cctxt', lambda self, host=None, **_to: made.sender(host))
    return made


@pytest.fixture
def start(ctxt, database, conf, tmp_path, bus):
    """Start the service of a back end, as often as one likes."""
    started = []

    def start(host):
        name = host.partition('@')[2]
        manager = manager_package.VolumeManager(host)
        CONF.set_override('file_volume_dir', str(tmp_path / name), name)
        manager.init_host()
        assert manager.is_working(), manager.backend.trouble
        bus.managers[host] = manager
        started.append(manager)
        return manager

    for host in (HERE, THERE):
        start(host)
        service = services_db.create(ctxt, {'host': host, 'binary': 'cinder-volume',
                                            'topic': 'cinder-volume',
                                            'availability_zone': host.partition('@')[2]})
        services_db.heartbeat(ctxt, service.id)
    yield start
    for manager in started:
        manager.stop()
    for name in POOLS:
        CONF.clear_override('file_volume_dir', name)


@pytest.fixture
def path(tmp_path):
    """Where the bytes of a volume are."""
    return lambda volume: tmp_path / volume.host.partition('#')[2] / volume.name


@pytest.fixture
def volume(ctxt, start, path):
    """A volume of 1 GiB on the first back end, with bytes at its start and near its end."""
    made = volumes_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 1, 'host': POOLS['west'],
        'status': 'available', 'attach_status': 'detached', 'use_quota': True,
        'availability_zone': 'west', 'display_name': 'mine',
        'volume_type_id': types_db.default(ctxt).id})
    with open(path(made), 'wb') as file:
        os.truncate(file.fileno(), GIB)
        os.pwrite(file.fileno(), b'start', 0)
        os.pwrite(file.fileno(), b'end', GIB - 4096)
    return volumes_db.get(ctxt, made.id)


def _placed(ctxt, bus, pool='east'):
    """What the scheduler does with the last message; the operation is the back end's then."""
    method, arguments = bus.scheduled.pop()
    operation = arguments['operation']
    operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
    place = {'host': POOLS[pool], 'cluster_name': None, 'availability_zone': pool}
    operations_db.requeue(ctxt, operation, stage='execute', host=HERE,
                          arguments={**operation.arguments, 'destination': place})
    return method, operation


def _migrate(ctxt, bus, volume, **arguments):
    volume_migrations.migrate(ctxt, volume, POOLS['east'], None,
                              **{'force_host_copy': True, **arguments})
    return _placed(ctxt, bus)[1]


def _run(ctxt, bus, operation, volume=None):
    bus.managers[HERE].runner.handlers[operation.verb](ctxt, operation, volume)
    return volumes_db.get(ctxt, operation.resource_id)


def _check_moved(ctxt, path, volume, tmp_path):
    assert (volume.host, volume.migration_status) == (POOLS['east'], 'success')
    assert volume.availability_zone == 'east'
    assert [each.name for each in (tmp_path / 'east').iterdir()] == [volume.name]
    assert list((tmp_path / 'west').iterdir()) == []
    with open(path(volume), 'rb') as file:
        assert os.pread(file.fileno(), 5, 0) == b'start'
        assert os.pread(file.fileno(), 3, GIB - 4096) == b'end'
    assert path(volume).stat().st_blocks * 512 < 2 ** 20
    assert len(volumes_db.list_rows(ctxt, all_tenants=True).rows) == 1
    assert quotas_db.limits_and_usage(ctxt, ctxt.project_id).usage['volumes'] == 1


def _check_stayed(ctxt, path, volume, tmp_path, reason):
    assert (volume.host, volume.migration_status) == (POOLS['west'], 'error')
    assert path(volume).exists()
    assert list((tmp_path / 'east').iterdir()) == []
    assert len(volumes_db.list_rows(ctxt, all_tenants=True).rows) == 1
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    assert reason in message['user_message']


@pytest.mark.parametrize(('locked', 'meanwhile'), [(True, 'maintenance'), (False, 'available')])
def test_a_volume_moves_with_its_bytes(ctxt, bus, volume, path, tmp_path, locked, meanwhile):
    operation = _migrate(ctxt, bus, volume, lock_volume=locked)
    present = volumes_db.get(ctxt, volume.id)
    assert (present.status, present.migration_status) == (meanwhile, 'starting')
    moved = _run(ctxt, bus, operation, volume)
    assert moved.status == 'available'
    _check_moved(ctxt, path, moved, tmp_path)
    done = operations_db.get(ctxt, operation.id)
    assert (done.state, done.progress_done, done.progress_total) == ('done', GIB, GIB)


def test_a_limited_copy_takes_its_time(ctxt, bus, volume, path, tmp_path, monkeypatch):
    with open(path(volume), 'r+b') as file:
        file.seek(4096)
        file.write(b'x' * 2 ** 19)
    bus.managers[HERE].backend.driver.throttle.limit = 2 ** 20
    clock = storage.Clock().pace_copies(monkeypatch)
    began = clock.now
    moved = _run(ctxt, bus, _migrate(ctxt, bus, volume), volume)
    assert clock.now - began >= 0.5
    _check_moved(ctxt, path, moved, tmp_path)


def test_in_one_file_system_nothing_is_copied(ctxt, bus, volume, path, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_copy, 'copy', None)
    inode = path(volume).stat().st_ino
    operation = _migrate(ctxt, bus, volume, force_host_copy=False)
    moved = _run(ctxt, bus, operation, volume)
    _check_moved(ctxt, path, moved, tmp_path)
    assert path(moved).stat().st_ino == inode
    assert operations_db.get(ctxt, operation.id).progress_done == GIB


def test_it_moves_back_again(ctxt, bus, volume, path, tmp_path):
    moved = _run(ctxt, bus, _migrate(ctxt, bus, volume), volume)
    volume_migrations.migrate(ctxt, moved, HERE, None)
    operation = _placed(ctxt, bus, 'west')[1]
    bus.managers[THERE].runner.handlers['volume.migrate'](ctxt, operation, moved)
    back = volumes_db.get(ctxt, volume.id)
    assert (back.host, back.migration_status) == (POOLS['west'], 'success')
    assert list((tmp_path / 'east').iterdir()) == []
    assert [each.name for each in (tmp_path / 'west').iterdir()] == [back.name]


# tests/functional/exhaustive tries all steps.
@pytest.mark.parametrize(('step', 'locked'), [
    ('volume.migrate:target:after', False), ('volume.migrate:progress:before', True)])
def test_a_killed_service_goes_on_after_its_restart(
        ctxt, bus, start, volume, path, tmp_path, monkeypatch, told, step, locked):
    kill_and_go_on(ctxt, bus, start, volume, path, tmp_path, monkeypatch, told, step, locked)


def kill_and_go_on(ctxt, bus, start, volume, path, tmp_path, monkeypatch, told, step, locked):
    monkeypatch.setattr(volume_copy, 'PIECE', GIB // 4)
    operation = _migrate(ctxt, bus, volume, lock_volume=locked)

    def kill(name):
        if name == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, 'reach', kill)
        with pytest.raises(Killed):
            _run(ctxt, bus, operation, volume)
    again = start(HERE)
    again.runner.poll()
    again.runner.wait()
    assert told.types == ['volume.migrate.start', 'volume.migrate.end']
    told.require_changes()
    moved = volumes_db.get(ctxt, volume.id)
    assert moved.status == 'available'
    _check_moved(ctxt, path, moved, tmp_path)


def test_a_copy_goes_on_where_it_stopped(ctxt, bus, volume, path, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_copy, 'PIECE', GIB // 4)
    operation = _migrate(ctxt, bus, volume)
    copied = []
    real = volume_copy.sparse_files.copy_range

    def copy(source, target, start, *rest):
        copied.append(start)
        if start == GIB // 2 and copied.count(start) == 1:
            raise Killed
        real(source, target, start, *rest)

    monkeypatch.setattr(volume_copy.sparse_files, 'copy_range', copy)
    with pytest.raises(Killed):
        _run(ctxt, bus, operation, volume)
    operations_db.release(ctxt, operation)
    _run(ctxt, bus, operations_db.get(ctxt, operation.id))
    assert [start * 4 // GIB for start in copied] == [0, 1, 2, 2, 3]
    _check_moved(ctxt, path, volumes_db.get(ctxt, volume.id), tmp_path)


def test_the_target_is_hidden_and_counts_for_no_quota(ctxt, bus, volume, monkeypatch):
    seen = []

    def look(*_args, **_kwargs):
        target, = (row for row in volumes_db.list_rows(
            ctxt, all_tenants=True, detail=True).rows if row['id'] != volume.id)
        seen.append((target['migration_status'], target['use_quota']))
        member = type(ctxt)(user_id='u', project_id=ctxt.project_id, overwrite=False)
        seen.append(len(volumes_db.list_rows(member).rows))
        seen.append(quotas_db.limits_and_usage(ctxt, ctxt.project_id).usage['gigabytes'])
        return iter(())

    monkeypatch.setattr(volume_copy, 'copy', look)
    _run(ctxt, bus, _migrate(ctxt, bus, volume), volume)
    assert seen == [(f'target:{volume.id}', False), 1, 1]


def _attach_and_detach(ctxt, volume):
    volume_actions.reserve(ctxt, volumes_db.get(ctxt, volume.id))
    volume_actions.unreserve(ctxt, volumes_db.get(ctxt, volume.id))


def _snapshot(ctxt, volume):
    snapshots_db.create(ctxt, {'project_id': 'p', 'volume_id': volume.id, 'volume_size': 1,
                               'status': 'available'})


@pytest.mark.parametrize(('change', 'reason'), [
    (_attach_and_detach, 'used while it was copied'),
    (lambda ctxt, volume: volume_actions.reserve(ctxt, volume), "in status 'attaching'"),
    (_snapshot, 'has snapshots'),
    (lambda ctxt, volume: volumes_db.update(ctxt, volume.id, {'size': 2}), 'was extended'),
    (lambda ctxt, volume: volumes_db.update(ctxt, volume.id, {'migration_status': None}),
     'not being migrated')])
def test_use_of_an_unlocked_volume_ends_its_migration(ctxt, bus, volume, path, tmp_path,
                                                      monkeypatch, change, reason):
    real = volume_copy.copy

    def copy(*args, **kwargs):
        yield from real(*args, **kwargs)
        change(ctxt, volumes_db.get(ctxt, volume.id))

    monkeypatch.setattr(volume_copy, 'copy', copy)
    operation = _migrate(ctxt, bus, volume)
    _check_stayed(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path, reason)


@pytest.mark.parametrize('locked', [True, False])
@pytest.mark.parametrize('begun', [True, False])
def test_a_migration_that_is_cancelled(ctxt, bus, volume, path, tmp_path, monkeypatch, begun,
                                       locked):
    """The copy stops, its target goes, and the volume is as before."""
    operation, pieces = _migrate(ctxt, bus, volume, lock_volume=locked), []

    def cancel():
        operations.cancel(ctxt, operation.id)

    def copy(*args, **kwargs):
        for number in range(1, 4):
            pieces.append(number)
            if number == 2:
                cancel()
            yield number * 1024
    monkeypatch.setattr(volume_copy, 'copy', copy)
    if not begun:
        cancel()
    stayed = _run(ctxt, bus, operation, volume)
    assert stayed.status == 'available' and pieces == ([1, 2] if begun else [])
    _check_stayed(ctxt, path, stayed, tmp_path, 'The operation was cancelled.')
    ended = operations_db.get(ctxt, operation.id)
    assert (ended.state, ended.error) == ('failed', 'The operation was cancelled.')
    with pytest.raises(exception.NotCancellable, match='it is failed'):
        cancel()


def test_what_a_server_copies_is_not_cancelled(ctxt, bus, volume):
    operation = _migrate(ctxt, bus, volume)
    operations.OperationRunner('h', 'execute', {}).claim(ctxt, operation)
    operations_db.add_arguments(ctxt, operation, server_id='s')
    with pytest.raises(exception.NotCancellable, match='the compute service copies'):
        operations.cancel(ctxt, operation.id)


def test_no_use_is_allowed_of_a_locked_one(ctxt, bus, volume):
    _migrate(ctxt, bus, volume, lock_volume=True)
    locked = volumes_db.get(ctxt, volume.id)
    for act in (volume_actions.reserve, volumes_api.delete,
                lambda ctxt, volume: volumes_api.extend(ctxt, volume, 2),
                lambda ctxt, volume: volume_migrations.migrate(ctxt, volume, THERE, None)):
        with pytest.raises(exception.InvalidVolume):
            act(ctxt, locked)


@pytest.mark.parametrize('locked', [True, False])
def test_a_back_end_that_makes_no_room_leaves_the_volume_where_it_is(
        ctxt, bus, volume, path, tmp_path, monkeypatch, locked):
    def full(_volume):
        raise exception.InsufficientFreeSpace(data='full')

    monkeypatch.setattr(bus.managers[THERE].backend.driver, 'create_volume', full)
    operation = _migrate(ctxt, bus, volume, lock_volume=locked)
    stayed = _run(ctxt, bus, operation, volume)
    assert stayed.status == 'available'
    _check_stayed(ctxt, path, stayed, tmp_path, 'could not create the target volume')


def _look(ctxt, bus, operation):
    """Run an operation whose time to wait is over; the seconds for which it waits again, or None
    when it has ended."""
    wake(ctxt, operation)
    try:
        bus.managers[HERE].runner.handlers[operation.verb](
            ctxt, operations_db.get(ctxt, operation.id))
    except exception.NotYet as exc:
        row = operations_db.get(ctxt, operation.id)
        assert (row.state, row.attempt, row.owner) == ('queued', 0, None)
        return exc.seconds
    return None


@pytest.fixture
def clock(monkeypatch):
    """The clock of the database for those who wait: a list whose last value is the seconds."""
    seconds = [0]
    monkeypatch.setattr(waiting_db, '_now', lambda _ctxt: datetime.datetime(2020, 1, 1)
                        + datetime.timedelta(seconds=seconds[-1]))
    return seconds


@pytest.fixture
def unmade(monkeypatch):
    """Creations that the other back end does not come to, of all but the projects named here."""
    real, served = volume_rpc.VolumeAPI.start, set()

    def start(self, ctxt, operation, resource=None):
        if operation.verb != 'volume.create' or resource.project_id in served:
            real(self, ctxt, operation, resource)
    monkeypatch.setattr(volume_rpc.VolumeAPI, 'start', start)
    return served


def test_a_back_end_that_does_not_answer_is_not_waited_for_for_ever(
        ctxt, bus, volume, path, tmp_path, unmade, clock):
    operation, pauses = _migrate(ctxt, bus, volume), []
    for passed in (0, 0.5, 100, CONF.migration_create_volume_timeout_secs):
        clock.append(passed)
        pauses.append(_look(ctxt, bus, operation))
    assert pauses == [operations.SHORTEST, 0.5, operations.LONGEST, operations.LONGEST]
    clock.append(CONF.migration_create_volume_timeout_secs + 1)
    assert _look(ctxt, bus, operation) is None
    _check_stayed(ctxt, path, volumes_db.get(ctxt, volume.id), tmp_path, 'in time')


def test_a_bus_that_does_not_answer_is_not_waited_for_for_ever(
        ctxt, bus, volume, path, tmp_path, monkeypatch, clock):
    def away(*_args):
        raise exception.ServiceUnavailable()
    monkeypatch.setattr(volume_rpc.VolumeAPI, 'device_of', away)
    operation = _migrate(ctxt, bus, volume)
    assert _look(ctxt, bus, operation) == operations.SHORTEST
    clock.append(CONF.migration_create_volume_timeout_secs + 1)
    assert _look(ctxt, bus, operation) is None
    _check_stayed(ctxt, path, volumes_db.get(ctxt, volume.id), tmp_path, 'unavailable')


def test_one_that_waits_lets_others_have_its_place(ctxt, bus, volume, start, path, unmade, conf):
    """With one place for bulk work, two migrations that wait and one that need not."""
    CONF.set_override('max_bulk_operations', 1, 'backend_defaults')
    try:
        manager = start(HERE)
    finally:
        CONF.clear_override('max_bulk_operations', 'backend_defaults')
    assert manager.runner.executor.bounds['bulk'] == 1
    unmade.add('served')
    waiting = [_migrate(ctxt, bus, volume), _migrate(ctxt, bus, _another(ctxt, path))]
    served = _another(ctxt, path, project_id='served')
    copied = _migrate(ctxt, bus, served)
    for operation in (*waiting, copied):
        manager.runner.submit(ctxt, operation)
    deadline = time.monotonic() + 30
    while (operations_db.get(ctxt, copied.id).state != 'done'
           or not all(operations_db.get(ctxt, each.id).arguments.get('waiting')
                      for each in waiting)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert volumes_db.get(ctxt, served.id).host == POOLS['east']
    manager.stop()
    assert manager.runner.wait(10)
    for operation in waiting:
        row = operations_db.get(ctxt, operation.id)
        assert (row.state, row.attempt) == ('queued', 0)
        assert row.arguments['waiting']['for'].endswith(POOLS['east'])


def _another(ctxt, path, **values):
    made = volumes_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 1, 'host': POOLS['west'],
        'status': 'available', 'attach_status': 'detached', 'use_quota': True,
        'availability_zone': 'west', 'volume_type_id': types_db.default(ctxt).id, **values})
    with open(path(made), 'wb') as file:
        os.truncate(file.fileno(), GIB)
    return volumes_db.get(ctxt, made.id)


def test_a_volume_that_goes_while_its_migration_waits_leaves_nothing(
        ctxt, bus, volume, path, tmp_path, unmade):
    """An administrator who ends it has the target removed too: its row waits for somebody."""
    operation = _migrate(ctxt, bus, volume)
    assert _look(ctxt, bus, operation) is not None
    path(_target_of(ctxt, operation)).touch()
    volumes_db.update(ctxt, volume.id, {'migration_status': None})
    volumes_api.delete(ctxt, volumes_db.get(ctxt, volume.id), force=True)
    assert operations_db.get(ctxt, operation.id).state == 'queued'
    assert _look(ctxt, bus, operation) is None
    assert operations_db.get(ctxt, operation.id).error == operations.SUPERSEDED
    assert volumes_db.list_rows(ctxt, all_tenants=True).rows == []
    for folder in ('east', 'west'):
        assert list((tmp_path / folder).iterdir()) == []


@pytest.fixture
def apart(monkeypatch):
    """The two back ends are on different machines: the one that asks, and the one that answers."""
    names = itertools.cycle(('one', 'other'))
    monkeypatch.setattr(host_names, 'machine_id', lambda: next(names))


class Initiator:
    """This machine as a client, with the files of the other one for devices."""

    def __init__(self, bus, folder):
        self.bus, self.folder = bus, folder
        self.connections, self.asked = [], []

    def connector(self):
        return volumes_fakes.CONNECTOR

    def connect(self, info):
        self.asked.append(info)
        name = info['data']['target_iqn'].rpartition(':')[2]
        self.connections = [name]
        return str(self.folder / name)

    def disconnect(self, info, device=None):
        if not self.bus.dead:
            self.connections = []


@pytest.fixture
def exported(bus, start, tmp_path):
    """The second back end exports its volumes; the first one is an initiator."""
    target = fake.FakeTarget(volumes_fakes.options(use_chap_auth=True), None)
    bus.managers[THERE].backend.driver.target = target
    initiator = Initiator(bus, tmp_path / 'east')

    def use():
        endpoint_of(bus.managers[HERE]).initiator = initiator
    use()
    return types.SimpleNamespace(target=target, initiator=initiator, use=use)


def endpoint_of(manager):
    return next(each for each in manager.additional_endpoints
                if isinstance(each, endpoint.MigrationEndpoint))


def _check_nothing_is_left(exported):
    assert (exported.initiator.connections, exported.target.exported) == ([], {})


def test_what_another_machine_does_not_export_cannot_be_copied_to(
        ctxt, bus, volume, path, tmp_path, apart, exported):
    bus.managers[THERE].backend.driver.target = local.LocalTarget(volumes_fakes.options(), None)
    operation = _migrate(ctxt, bus, volume)
    _check_stayed(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path,
                  'exports volumes only locally')


@pytest.mark.parametrize('force', [True, False])
def test_on_one_machine_nothing_is_exported(ctxt, bus, volume, path, tmp_path, exported, force,
                                            monkeypatch):
    monkeypatch.setattr(bus.managers[THERE].backend.driver, 'create_export', None)
    operation = _migrate(ctxt, bus, volume, force_host_copy=force)
    _check_moved(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path)
    assert exported.initiator.asked == []


def test_a_volume_moves_to_another_machine_through_its_export(
        ctxt, bus, volume, path, tmp_path, apart, exported):
    # The storage's own way knows only this machine.
    operation = _migrate(ctxt, bus, volume, force_host_copy=False)
    _check_moved(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path)
    info, = exported.initiator.asked
    assert info['data']['auth_method'] == 'CHAP'
    assert operations_db.get(ctxt, operation.id).progress_done == GIB
    _check_nothing_is_left(exported)


def test_killed_on_the_way_to_another_machine_it_goes_on_and_leaves_no_session(
        ctxt, bus, start, volume, path, tmp_path, monkeypatch, apart, exported):
    kill_on_the_way(ctxt, bus, start, volume, path, tmp_path, monkeypatch, exported,
                    'volume.migrate:progress:after')


def kill_on_the_way(ctxt, bus, start, volume, path, tmp_path, monkeypatch, exported, step):
    monkeypatch.setattr(volume_copy, 'PIECE', GIB // 4)
    operation = _migrate(ctxt, bus, volume)
    with monkeypatch.context() as patch:
        patch.setattr(fault_points, 'reach', lambda name: bus.die() if name == step else None)
        with pytest.raises(Killed):
            _run(ctxt, bus, operation, volume)
    bus.dead = False
    if 'progress' in step:
        assert exported.initiator.connections and exported.target.exported
    again = start(HERE)
    exported.use()
    again.runner.poll()
    again.runner.wait()
    _check_moved(ctxt, path, volumes_db.get(ctxt, volume.id), tmp_path)
    _check_nothing_is_left(exported)


def test_given_up_after_too_many_attempts_it_leaves_no_session(
        ctxt, bus, volume, path, tmp_path, monkeypatch, apart, exported):
    operation = _migrate(ctxt, bus, volume)
    with monkeypatch.context() as patch:
        patch.setattr(fault_points, 'reach',
                      lambda name: bus.die() if name.endswith('progress:before') else None)
        with pytest.raises(Killed):
            _run(ctxt, bus, operation, volume)
    bus.dead = False
    assert exported.initiator.connections
    operations_db.release(ctxt, operation)
    operation.attempt = CONF.operation_max_attempts
    _check_stayed(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path, 'interrupted')
    _check_nothing_is_left(exported)


def test_a_copy_to_another_machine_that_fails_leaves_no_session(
        ctxt, bus, volume, path, tmp_path, monkeypatch, apart, exported):
    def fail(*_args, **_kwargs):
        raise OSError('the line was cut')
    monkeypatch.setattr(volume_copy, 'copy', fail)
    operation = _migrate(ctxt, bus, volume)
    _run(ctxt, bus, operation, volume)
    _check_nothing_is_left(exported)


def test_too_many_attempts_end_it(ctxt, bus, volume, path, tmp_path):
    operation = _migrate(ctxt, bus, volume)
    operation.attempt = CONF.operation_max_attempts
    _check_stayed(ctxt, path, _run(ctxt, bus, operation, volume), tmp_path, 'interrupted')


def test_a_volume_in_use_stays(ctxt, bus, volume, path, tmp_path):
    attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached'})
    volumes_db.overwrite(ctxt, volume.id, {'status': 'in-use', 'attach_status': 'attached'})
    present = volumes_db.get(ctxt, volume.id)
    stayed = _run(ctxt, bus, _migrate(ctxt, bus, present, lock_volume=True), present)
    assert stayed.status == 'in-use'
    _check_stayed(ctxt, path, stayed, tmp_path, 'in use')


@pytest.fixture
def nova():
    with fake_compute.running() as service:
        yield service


def _in_use(ctxt, volume, **attachment):
    attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached',
                                 'instance_uuid': 'server', **attachment})
    volumes_db.overwrite(ctxt, volume.id, {'status': 'in-use', 'attach_status': 'attached'})
    return volumes_db.get(ctxt, volume.id)


def _target_of(ctxt, operation):
    return volumes_db.get(ctxt, operation.arguments['target_id'])


def test_a_server_copies_a_volume_in_use(ctxt, bus, volume, path, tmp_path, nova, monkeypatch):
    """The compute service has the new volume, drops the old one, and tells that it is done."""
    operation = _migrate(ctxt, bus, _in_use(ctxt, volume))
    asked = compute.swap

    def swap(server, old, new):
        asked(server, old, new)
        target = _target_of(ctxt, operation)
        attachments_db.create(ctxt, {'volume_id': new, 'attach_status': 'attaching',
                                     'instance_uuid': server})
        with open(path(target), 'r+b') as file:
            os.pwrite(file.fileno(), b'start', 0)
            os.pwrite(file.fileno(), b'end', GIB - 4096)
        present = volumes_db.get(ctxt, volume.id)
        attachments.delete_row(ctxt, present, present.attachments[0])
        assert volumes_db.get(ctxt, volume.id).status == 'in-use'
        assert volume_migrations.complete(
            ctxt, volumes_db.get(ctxt, old), _target_of(ctxt, operation)) == old

    monkeypatch.setattr(compute, 'swap', swap)
    moved = _run(ctxt, bus, operation, volume)
    assert nova.swapped == [('server', volume.id, operation.arguments['target_id'])]
    assert (moved.status, moved.attach_status) == ('in-use', 'attached')
    attachment, = moved.attachments
    assert attachment.instance_uuid == 'server'
    _check_moved(ctxt, path, moved, tmp_path)
    assert operations_db.get(ctxt, operation.id).state == 'done'


@pytest.mark.parametrize(('answer', 'looks'), [(409, 1), (500, 2)])
def test_a_server_that_does_not_copy_keeps_its_volume(ctxt, bus, volume, path, tmp_path, nova,
                                                      answer, looks, clock):
    """It refuses, or gives no answer for so long that nobody waits for it any more."""
    nova.answer = answer
    operation = _migrate(ctxt, bus, _in_use(ctxt, volume))
    for look in range(1, looks + 1):
        assert (_look(ctxt, bus, operation) is None) == (look == looks)
        clock.append(CONF.migration_create_volume_timeout_secs + 1)
    stayed = volumes_db.get(ctxt, volume.id)
    assert (stayed.status, len(stayed.attachments)) == ('in-use', 1)
    _check_stayed(ctxt, path, stayed, tmp_path, 'compute service')


def test_a_server_is_asked_once_and_may_take_its_time(ctxt, bus, volume, path, tmp_path, nova,
                                                      clock):
    """As long as it has the new volume; without it, it has given up a minute later."""
    operation = _migrate(ctxt, bus, _in_use(ctxt, volume))
    assert _look(ctxt, bus, operation) == operations.SHORTEST
    held = attachments_db.create(ctxt, {'volume_id': operation.arguments['target_id'],
                                        'attach_status': 'attaching', 'instance_uuid': 'server'})
    for passed in (100, 3600):
        clock.append(passed)
        assert _look(ctxt, bus, operation) == nova_swap.LOOK_PAUSE
    attachments_db.destroy(ctxt, held.id)
    assert _look(ctxt, bus, operation) == operations.SHORTEST
    clock.append(3600 + nova_swap.BEGIN_SECONDS + 1)
    assert _look(ctxt, bus, operation) is None
    assert len(nova.swapped) == 1
    _check_stayed(ctxt, path, volumes_db.get(ctxt, volume.id), tmp_path, 'gave up the copy')


def test_a_volume_of_no_server_stays(ctxt, bus, volume, path, tmp_path, nova):
    present = _in_use(ctxt, volume, instance_uuid=None)
    stayed = _run(ctxt, bus, _migrate(ctxt, bus, present), present)
    _check_stayed(ctxt, path, stayed, tmp_path, 'by exactly one server')


@pytest.mark.parametrize(('host', 'cluster', 'error'), [
    ('no@where', None, exception.InvalidHost), (HERE, None, exception.InvalidHost),
    (POOLS['west'], None, exception.InvalidHost)])
def test_where_a_volume_cannot_go(ctxt, volume, host, cluster, error):
    with pytest.raises(error):
        volume_migrations.migrate(ctxt, volume, host, cluster)


@pytest.mark.parametrize('change', [
    {'status': 'error'}, {'migration_status': 'migrating'}, {'replication_status': 'enabled'}])
def test_what_cannot_go(ctxt, volume, change):
    volumes_db.overwrite(ctxt, volume.id, change)
    with pytest.raises(exception.InvalidVolume):
        volume_migrations.migrate(ctxt, volumes_db.get(ctxt, volume.id), THERE, None)


class TestRetype:
    @pytest.fixture
    def fast(self, ctxt):
        made = types_db.create(ctxt, {'name': 'fast', 'is_public': True})
        return types_db.get(ctxt, made.id)

    def test_with_a_move(self, ctxt, bus, volume, path, tmp_path, fast):
        volume_actions.retype(ctxt, volume, fast, 'on-demand')
        assert volume.status == 'retyping'
        moved = _run(ctxt, bus, _placed(ctxt, bus)[1], volume)
        assert (moved.status, moved.volume_type_id) == ('available', fast.id)
        _check_moved(ctxt, path, moved, tmp_path)

    def test_without(self, ctxt, bus, volume, fast):
        volume_actions.retype(ctxt, volume, fast, 'never')
        operation = bus.scheduled.pop()[1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
        operations_db.requeue(ctxt, operation, stage='execute', host=HERE)
        made = _run(ctxt, bus, operation, volume)
        assert (made.status, made.volume_type_id) == ('available', fast.id)
        assert (made.host, made.migration_status) == (POOLS['west'], None)

    def test_snapshots_keep_it_where_it_is(self, ctxt, bus, volume, path, tmp_path, fast):
        _snapshot(ctxt, volume)
        volume_actions.retype(ctxt, volume, fast, 'on-demand')
        stayed = _run(ctxt, bus, _placed(ctxt, bus)[1], volume)
        assert (stayed.status, stayed.volume_type_id) == ('available', volume.volume_type_id)
        _check_stayed(ctxt, path, stayed, tmp_path, 'has snapshots')

    def test_so_does_one_that_comes_when_the_move_begins(
            self, ctxt, bus, volume, path, tmp_path, fast, monkeypatch):
        """One may be taken over while a volume is retyped."""
        add_target = migration_rows.add_target

        def late(*args):
            _snapshot(ctxt, volume)
            with pytest.raises(exception.InvalidVolume) as refused:
                add_target(*args)
            raise refused.value

        monkeypatch.setattr(migration_rows, 'add_target', late)
        volume_actions.retype(ctxt, volume, fast, 'on-demand')
        stayed = _run(ctxt, bus, _placed(ctxt, bus)[1], volume)
        _check_stayed(ctxt, path, stayed, tmp_path, 'has snapshots')


class TestCompletion:
    @pytest.fixture
    def target(self, ctxt, volume, path):
        """What somebody else copies the volume to."""
        made = volumes_db.create(ctxt, {
            'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 1, 'use_quota': False,
            'host': POOLS['east'], 'status': 'available', 'attach_status': 'detached',
            'migration_status': f'target:{volume.id}'})
        path(made).write_bytes(b'copied')
        volumes_db.overwrite(ctxt, volume.id, {'migration_status': 'migrating', 'status': 'in-use',
                                               'attach_status': 'attached'})
        return volumes_db.get(ctxt, made.id)

    def test_success(self, ctxt, volume, target, path, tmp_path):
        volume = volumes_db.get(ctxt, volume.id)
        assert volume_migrations.complete(ctxt, volume, target) == volume.id
        moved = volumes_db.get(ctxt, volume.id)
        assert (moved.host, moved.status) == (POOLS['east'], 'in-use')
        assert path(moved).read_bytes() == b'copied'
        assert list((tmp_path / 'west').iterdir()) == []

    def test_failure(self, ctxt, volume, target, path, tmp_path):
        volume = volumes_db.get(ctxt, volume.id)
        assert volume_migrations.complete(ctxt, volume, target, error=True) == target.id
        stayed = volumes_db.get(ctxt, volume.id)
        assert (stayed.host, stayed.migration_status) == (POOLS['west'], 'error')
        assert path(stayed).exists()
        assert list((tmp_path / 'east').iterdir()) == []

    def test_exports_follow_their_storage(self, ctxt, volume, target):
        """Also those that come or go between the load of a row and the exchange of the two."""
        before = volumes_db.get(ctxt, volume.id)
        for each, place in ((volume, 'here'), (target, 'there')):
            volumes_db.update(ctxt, each.id, {'provider_location': place})
        migrations_db.exchange_storage(ctxt, before, target, copied=None)
        assert [volumes_db.get(ctxt, each.id).provider_location for each in (volume, target)] == [
            'there', 'here']
        exports.store_fields(ctxt, before, {'provider_location': None})
        assert [volumes_db.get(ctxt, each.id).provider_location for each in (volume, target)] == [
            'there', None]
        exports.store_fields(ctxt, volumes_db.get(ctxt, volume.id),
                             {'provider_location': 'elsewhere'})
        assert volumes_db.get(ctxt, volume.id).provider_location == 'elsewhere'
        volumes_db.destroy(ctxt, target.id)
        with pytest.raises(exception.VolumeNotFound):
            exports.store_fields(ctxt, before, {'provider_location': 'late'})

    def test_of_another_volume_is_refused(self, ctxt, volume, target):
        volume = volumes_db.get(ctxt, volume.id)
        volumes_db.update(ctxt, target.id, {'migration_status': 'target:else'})
        with pytest.raises(exception.InvalidVolume, match='not in the same migration'):
            volume_migrations.complete(ctxt, volume, volumes_db.get(ctxt, target.id))

    @pytest.mark.parametrize('error', [False, True])
    def test_after_a_reset_of_the_migration_status(self, ctxt, volume, target, error):
        """The target tells what it is of all the same."""
        volumes_db.update(ctxt, volume.id, {'migration_status': None})
        volume_migrations.complete(ctxt, volumes_db.get(ctxt, volume.id), target, error)
        assert volumes_db.get(ctxt, volume.id).host == POOLS['west' if error else 'east']

    def test_of_an_earlier_migration_is_refused(self, ctxt, volume, target):
        volume = volumes_db.get(ctxt, volume.id)
        made = operations_db.create(ctxt, 'volume.migrate', volume, host=HERE, arguments={
            nova_swap.SERVER: 'server', 'target_id': 'another'})
        with pytest.raises(exception.InvalidVolume, match='to another volume, another'):
            volume_migrations.complete(ctxt, volume, target)
        assert operations_db.get(ctxt, made.id).state == 'queued'

    @pytest.mark.parametrize('error', [False, True])
    def test_of_a_volume_that_was_detached_meanwhile(self, ctxt, volume, target, error):
        """Its status waited for the end, as a server lets the old one go before it has the new."""
        held = attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached',
                                            'instance_uuid': 'server'})
        volume = volumes_db.get(ctxt, volume.id)
        operations_db.create(ctxt, 'volume.migrate', volume, host=HERE, arguments={
            nova_swap.SERVER: 'server', 'target_id': target.id})
        attachments.delete_row(ctxt, volume, held)
        assert volumes_db.get(ctxt, volume.id).status == 'in-use'
        volume_migrations.complete(ctxt, volumes_db.get(ctxt, volume.id), target, error)
        present = volumes_db.get(ctxt, volume.id)
        assert (present.status, present.attach_status) == ('available', 'detached')

    def test_while_the_service_copies_is_refused(self, ctxt, volume, target):
        volume = volumes_db.get(ctxt, volume.id)
        operations_db.create(ctxt, 'volume.migrate', volume, host=HERE)
        with pytest.raises(exception.InvalidVolume, match='is being copied'):
            volume_migrations.complete(ctxt, volume, target)

    @pytest.mark.parametrize('ends', [None, 'the copy is left', 'the copy goes'])
    def test_while_the_service_looks_how_far_it_is(self, ctxt, volume, target, monkeypatch, ends):
        """It claims the operation for each look, and may end it: then the copy tells."""
        volume = volumes_db.get(ctxt, volume.id)
        made = operations_db.create(ctxt, 'volume.migrate', volume, host=HERE,
                                    arguments={nova_swap.SERVER: 'server',
                                               'target_id': target.id})
        finish = volume_migrations._finish

        def late(*args):
            if made.state == 'queued':
                operations_db.claim(ctxt, made, 'here|1', 60)
                if ends:
                    operations_db.finish(ctxt, made, 'it took too long')
                if ends == 'the copy goes':
                    volumes_db.update(ctxt, target.id, {'migration_status': 'deleting'})
            return finish(*args)

        monkeypatch.setattr(volume_migrations, '_finish', late)
        if ends == 'the copy goes':
            with pytest.raises(exception.InvalidVolume, match='has ended'):
                volume_migrations.complete(ctxt, volume, target)
            return
        assert volume_migrations.complete(ctxt, volume, target) == volume.id
        assert operations_db.get(ctxt, made.id).state == ('failed' if ends else 'done')
        with pytest.raises(exception.OperationLost):
            operations_db.add_arguments(ctxt, made, asked=True)

    def test_without_a_migration_the_attachments_move(self, ctxt, volume, target):
        attachment = attachments_db.create(ctxt, {'volume_id': volume.id,
                                                  'attach_status': 'attached'})
        for each in (volume, target):
            volumes_db.update(ctxt, each.id, {'migration_status': None})
        volume, target = (volumes_db.get(ctxt, each.id) for each in (volume, target))
        assert volume_migrations.complete(ctxt, volume, target) == target.id
        assert attachments_db.get(ctxt, attachment.id).volume_id == target.id
        assert volumes_db.get(ctxt, volume.id).status == 'available'
        assert volumes_db.get(ctxt, target.id).status == 'in-use'


@pytest.mark.parametrize('error', [None, False, True])
def test_a_copy_is_notified_of_in_its_exchange(ctxt, bus, volume, told, nova, monkeypatch, error):
    """Copied by the service, or by the compute service, which may fail; never of its target."""
    present = volume if error is None else _in_use(ctxt, volume)
    operation = _migrate(ctxt, bus, present)
    monkeypatch.setattr(compute, 'swap', lambda _server, old, new: volume_migrations.complete(
        ctxt, volumes_db.get(ctxt, old), volumes_db.get(ctxt, new), error))
    _run(ctxt, bus, operation, present)
    assert told.types == ['volume.migrate.start',
                          f'volume.migrate.{"error" if error else "end"}']
    assert told.events[-1][1]['host'] == POOLS['west' if error else 'east']
    assert {payload['volume_id'] for _event, payload, _changed in told.events} == {volume.id}
    told.require_changes()
