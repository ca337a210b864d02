# SPDX-License-Identifier: Apache-2.0
"""Each alert rule of etc/cinder/prometheus fires for its fault, and no other does: the code meets
the fault, and promtool evaluates the rules on what the metrics were before and after it."""
import pathlib
import re
import threading

import oslo_messaging as messaging
import pytest
import yaml
from oslo_db import exception as db_exc

from cinder import exception, metrics, objects, operations, privsep
from cinder.api import deployment_metrics
from cinder.api.middleware import measured as middleware
from cinder.brick.ceph import calls
from cinder.conf import CONF
from cinder.db import deployment, models, services, session
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.operations import executor
from cinder.privsep import command
from cinder.rpc import client, outbox
from cinder.scheduler.manager import SchedulerManager
from cinder.volume import driver_types
from cinder.volume import manager as manager_package
from cinder.volume.host import audit, forecast, probes
from tests.fakes import measured
from tests.fakes import scheduler as fakes
from tests.fakes.volume_group import FakeVolumeGroup
from tests.functional import alerts
from tests.functional.alerts import LATE, SOON
from tests.unit.scheduler.conftest import VolumeBus, tell, wanted
from tests.unit.volume.conftest import conf, folder, sent  # noqa: F401 - fixtures

LVM = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
       'target_helper': 'fake', 'lvm_type': 'thin', 'volume_backend_name': 'lvm',
       'lvm_pool_autoextend': 0}

pytestmark = pytest.mark.skipif(not alerts.is_installed(),
                                reason='promtool is not installed (package prometheus)')


class World:
    """A deployment that works: its back end is a volume group in memory.

    :ivar scraped: whether an API reports the deployment
    """

    def __init__(self, ctxt, patch):
        self.ctxt, self.patch, self.scraped = ctxt, patch, True
        self.group = FakeVolumeGroup()
        self.manager = manager_package.VolumeManager('here@lvm')
        self.backend = self.manager.backend
        self.backend.driver.executor = self.group
        self.manager.init_host()
        assert self.manager.is_working(), self.manager.trouble
        self.rows = {}
        for binary, host in (('cinder-volume', 'here@lvm'), ('cinder-scheduler', 'here')):
            self.rows[binary] = services.create(ctxt, {
                'host': host, 'binary': binary, 'topic': binary}).id
            self.beat(binary)
        self.runner = operations.OperationRunner('here@lvm', 'execute', {})
        self.requests(100, 200)
        self.manager.heartbeat()

    def beat(self, binary, seconds=0, **columns):
        services.update(self.ctxt, self.rows[binary], {
            'updated_at': session.in_seconds(-seconds), **columns})

    def requests(self, number, status):
        def answer(environ, start_response):
            start_response(f'{status} X', [])
            return []
        application = middleware.measured(answer)
        for _request in range(number):
            application({'REQUEST_METHOD': 'GET', middleware.ROUTE: '/volumes'},
                        lambda *_args: None)

    def operation(self, **columns):
        """Return an operation in the journal."""
        volume = volumes_db.create(self.ctxt, {
            'project_id': 'p', 'size': 1, 'status': 'extending', 'host': 'here@lvm#lvm',
            'previous_status': 'available'})
        made = operations_db.create(self.ctxt, 'volume.extend', volume, host='here@lvm',
                                    arguments={'new_size': 2})
        if columns:
            with session.writer(self.ctxt) as conn:
                conn.execute(operations_db._T.update().where(
                    operations_db._T.c.id == made.id).values(**columns))
        return operations_db.get(self.ctxt, made.id), volume

    def page(self):
        """What Prometheus reads now."""
        collectors = [deployment_metrics.Deployment()] if self.scraped else []
        return measured.samples(metrics.current().render(*collectors))


# ------------------------------------------------------------------------------------ the faults
def only_api_leaves_the_deployment_to_others(world):
    CONF.set_override('deployment', False, 'metrics')


def database_does_not_answer(world):
    def fail(_ctxt):
        raise exception.DatabaseUnavailable()
    world.patch.setattr(deployment, 'survey', fail)


def service_is_killed(world):
    world.beat('cinder-scheduler', 300)


def storage_is_gone(world):
    world.beat('cinder-volume', 300, disabled_reason=services.DOWN + 'no volume group vg')


def operation_is_not_begun(world):
    world.operation(created_at=session.in_seconds(-1800))


def operations_fail(world):
    for _time in range(3):
        operation, volume = world.operation()
        with world.runner.claimed(world.ctxt, operation, 'test'):
            operations.fail(world.ctxt, operation, volume, 'no space')


def processes_end_during_operations(world):
    for _time in range(6):
        operation, volume = world.operation(attempt=1)
        with world.runner.claimed(world.ctxt, operation, 'test'):
            operations.succeed(world.ctxt, operation, volume)


def lock_is_lost(world):
    operation, _volume = world.operation()
    with pytest.raises(exception.LockLost), world.runner.claimed(world.ctxt, operation, 'test'):
        raise exception.LockLost(name='x')


def operations_take_all_places(world):
    over = threading.Event()
    world.runner.executor = executor.Executor('test', {'short': 1, 'bulk': 1})
    for number in range(12):
        world.runner.executor.put(executor.Job(str(number), 'p', str(number), 'short', over.wait))
    world.runner.renew()
    over.set()
    world.runner.executor.close()


def requests_end_with_503(world):
    world.requests(20, 503)


def requests_are_slow(world):
    now = [0.0]

    def clock():
        now[0] += 6
        return now[0]
    world.patch.setattr(middleware.time, 'perf_counter', clock)
    world.requests(10, 200)


def transactions_meet_deadlocks(world):
    for _time in range(6):
        with pytest.raises(exception.DatabaseBusy), session.writer(world.ctxt):
            raise db_exc.DBDeadlock()


def broker_takes_no_message(world):
    def fail():
        raise OSError
    box = outbox.Outbox()
    box.put(fail, 'create_volume')
    box.flush(10)


def nobody_answers(world):
    class Client:
        def can_send_version(self):
            return True

        def prepare(self, **_to):
            return self

        def call(self, *_args, **_kwargs):
            raise messaging.MessagingTimeout
    world.patch.setattr(client.base, 'was_answered', lambda: True)
    with pytest.raises(exception.RPCTimeout):
        client.Sender(lambda: (Client(), {})).call(world.ctxt, 'attach_volume')


def notifications_are_not_sent(world):
    with session.writer(world.ctxt) as conn:
        conn.execute(models.Notice.__table__.insert().values(
            message_id='m', event_type='e', publisher_id='p', priority='info', payload='{}',
            created_at=session.in_seconds(-1800)))


def look_at_the_storage_hangs(world):
    over = threading.Event()

    def look():
        with probes.probing(world.backend):
            over.wait(30)
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    # The world is read by then, and the gauge is still that of the look before.
    return over.set


def command_hangs(world):
    world.patch.setitem(command.PROGRAMS, 'sleep',
                        command.Program('tests', privsep.as_root_pctxt))
    with pytest.raises(command.CommandOverdue):
        command.execute('sleep', 30, timeout=0.01)


def target_refuses(world):
    def fail(*_args):
        raise exception.VolumeBackendAPIException(data='no target')
    world.patch.setattr(world.backend.driver.target, 'create_export', fail)
    for _time in range(3):
        with pytest.raises(exception.VolumeBackendAPIException):
            world.backend.driver.create_export(world.ctxt, objects.Volume(
                id='v', name_id=None), None)


def ceph_does_not_answer(world):
    class Timeout(Exception):
        """As of librados."""
        errno = 110
    Timeout.__module__ = 'rados'

    def fail():
        raise Timeout
    for _time in range(3):
        with pytest.raises(Exception, match='Image.stat'):
            calls.make('Image.stat', fail)


def storage_has_an_unknown_volume(world):
    world.patch.setattr(audit, '_found', lambda *_args, **_kwargs: [driver_types.Finding(
        'stray', 'v', 'volume v has no row', 'remove it')])
    audit.heal(world.ctxt, world.backend)


def pool_fills(world):
    world.group.pool_data_percent = 97.0
    world.backend.publish(world.ctxt)


def metadata_fill(world):
    world.group.pool_metadata_percent = 85.0
    world.backend.publish(world.ctxt)


def pool_grows(world):
    now = [0.0]
    world.backend._forecast = forecast.Forecast(lambda: now[0])
    for _time in range(10):
        now[0] += 600
        world.group.pool_data_percent += 1
        world.backend.publish(world.ctxt)


def volumes_are_too_large(world):
    clock = fakes.Clock()
    scheduler = SchedulerManager(
        'sched', conf=fakes.options(), volume_api=VolumeBus(), clock=clock, timers=fakes.Later(),
        list_services=fakes.Services(fakes.service('n1@lvm', availability_zone='az1')))
    clock.now += 100
    tell(scheduler)
    scheduler.readiness._ready.set()
    for _time in range(3):
        volume, operation = wanted(world.ctxt, size=100_000)
        scheduler.create_volume(world.ctxt, operation, volume)


# Alert -> its fault, and when the rules are evaluated.
FAULTS = {
    'CinderDeploymentUnknown': (only_api_leaves_the_deployment_to_others, LATE),
    'CinderDatabaseDown': (database_does_not_answer, LATE),
    'CinderServiceDown': (service_is_killed, LATE),
    'CinderServiceFailing': (storage_is_gone, LATE),
    'CinderOperationsStuck': (operation_is_not_begun, LATE),
    'CinderOperationsFailing': (operations_fail, SOON),
    'CinderOperationsRetried': (processes_end_during_operations, SOON),
    'CinderClaimsLost': (lock_is_lost, SOON),
    'CinderExecutorFull': (operations_take_all_places, LATE),
    'CinderApiErrors': (requests_end_with_503, SOON),
    'CinderApiSlow': (requests_are_slow, SOON),
    'CinderDatabaseErrors': (transactions_meet_deadlocks, SOON),
    'CinderMessagesLost': (broker_takes_no_message, SOON),
    'CinderMessagesUnanswered': (nobody_answers, SOON),
    'CinderNotificationsWait': (notifications_are_not_sent, LATE),
    'CinderBackendUnseen': (look_at_the_storage_hangs, LATE),
    'CinderCommandsOverdue': (command_hangs, SOON),
    'CinderExportsFailing': (target_refuses, SOON),
    'CinderCephErrors': (ceph_does_not_answer, SOON),
    'CinderStorageDiffers': (storage_has_an_unknown_volume, SOON),
    'CinderPoolFull': (pool_fills, LATE),
    'CinderPoolMetadataFull': (metadata_fill, LATE),
    'CinderPoolFullSoon': (pool_grows, LATE),
    'CinderVolumesRefused': (volumes_are_too_large, SOON),
}


@pytest.fixture
def world(database, conf, sent, ctxt, monkeypatch, tmp_path):  # noqa: F811
    for name, value in LVM.items():
        CONF.set_override(name, value, 'backend_defaults')
    place = tmp_path / 'metrics'
    place.mkdir()
    with measured.counted(place):
        made = World(ctxt, monkeypatch)
        yield made
        made.manager.stop()
    CONF.clear_override('deployment', 'metrics')
    for name in LVM:
        CONF.clear_override(name, 'backend_defaults')


def test_each_alert_has_a_fault():
    rules = yaml.safe_load(alerts.RULES.read_text())
    named = [rule['alert'] for group in rules['groups'] for rule in group['rules']]
    assert sorted(named) == sorted(FAULTS)
    assert [rule['alert'] for group in rules['groups'] for rule in group['rules']
            if set(rule['annotations']) != {'summary', 'action'}
            or rule['labels'].keys() != {'severity'}] == []


@pytest.mark.parametrize(('file', 'function'), sorted(alerts.RUNNING.values()))
def test_the_fault_of_running_services_is_there(file, function):
    text = pathlib.Path(__file__).with_name(file).read_text()
    alert, = (name for name, place in alerts.RUNNING.items() if place == (file, function))
    assert f'\ndef {function}(there' in text
    assert re.search(rf"'{alert}'(: \(|, before, after, \w+\)\], tmp_path)", text)


def test_each_alert_is_proved_in_services_or_there_is_a_reason():
    assert not alerts.RUNNING.keys() & alerts.IN_PROCESS.keys()
    assert alerts.RUNNING.keys() | alerts.IN_PROCESS.keys() == FAULTS.keys()


# Alert -> its input of promtool.
INPUTS = {}


@pytest.mark.parametrize('alert', FAULTS)
def test_the_fault_of(alert, world):
    fault, minute = FAULTS[alert]
    before = world.page()
    undo = fault(world)
    after = world.page()
    if undo:
        undo()
    assert before != after or alert == 'CinderBackendUnseen'
    INPUTS[alert] = alerts.case(alert, before, after, minute, alert == 'CinderBackendUnseen')


def test_each_fault_fires_its_alert_and_no_other(tmp_path):
    alerts.check(list(INPUTS.values()), tmp_path)
