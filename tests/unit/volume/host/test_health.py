# SPDX-License-Identifier: Apache-2.0
"""A back end whose storage stops answering: it is lost with the reason, what was under way goes
back to the journal, and it comes up again by itself (faults F20 to F23)."""
import threading
import time

import pytest

from cinder import operations
from cinder.conf import CONF
from cinder.db import journal
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import health, init_host
from tests.fakes.volume_group import FakeVolumeGroup

HOST = 'here@lvm'
OPTIONS = {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': 'vg',
           'target_helper': 'fake', 'lvm_type': 'thin', 'volume_backend_name': 'lvm'}


@pytest.fixture
def group():
    return FakeVolumeGroup()


@pytest.fixture
def manager(database, conf, sent, group):
    """A manager whose back end is a volume group in memory."""
    for name, value in OPTIONS.items():
        CONF.set_override(name, value, 'backend_defaults')
    made = manager_package.VolumeManager(HOST)
    made.backend.driver.executor = group
    made.init_host()
    assert made.is_working(), made.trouble
    group.programs()
    yield made
    made.stop()
    for name in OPTIONS:
        CONF.clear_override(name, 'backend_defaults')


@pytest.fixture
def watch(manager, monkeypatch):
    # No answer is fresh enough: each look asks.
    monkeypatch.setattr(health, 'TIMEOUT_SECONDS', 0.0)
    return health.Watch(manager.backend)


@pytest.fixture
def create(ctxt, manager, sent):
    """Accept and place a volume and let the manager make it; returns its id."""
    def make():
        volume = volumes_api.create(ctxt, size=1)
        operation = sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
        volumes_db.update(ctxt, volume.id, {'host': f'{HOST}#lvm'})
        operations_db.requeue(ctxt, operation, stage='execute', host=HOST)
        manager.runner.handlers['volume.create'](
            ctxt, operation, volumes_db.get(ctxt, volume.id))
        return volume.id
    return make


def test_one_whose_driver_cannot_be_asked_is_up_again_with_the_next_heartbeat(watch, manager,
                                                                              monkeypatch):
    """A report that failed, for want of file descriptors for instance, costs no whole period."""
    monkeypatch.setattr(health.Watch, '_checks', lambda self: False)
    started = []

    def start(_ctxt, backend):
        started.append(backend)
        backend.initialized = True
        return True
    monkeypatch.setattr(init_host, 'run', start)
    watch.start_check()
    assert watch._looking is None
    manager.backend.mark_down(OSError('too many open files'))
    watch.start_check()
    watch._looking.join(10)
    assert manager.is_working() and started == [manager.backend]


@pytest.mark.parametrize(('failure', 'reason'), [
    ({'exit_code': None, 'stderr': 'lvs (process 7) did not end within 8.0 s'},
     'lvs (process 7) did not end'),
    ({'stderr': '  Volume group "vg" not found'}, 'Volume group "vg" not found'),
    ({'exit_code': 139, 'times': 3}, 'exit code 139'),
    ({'exit_code': 0, 'stdout': 'garbage', 'times': 3}, 'no report of LVM'),
])
def test_what_is_lost_says_why_and_comes_back(manager, watch, group, failure, reason):
    group.fail('lvs', **failure)
    watch.start_check()
    watch._looking.join()
    assert not manager.is_working()
    assert reason in manager.trouble
    watch.start_check()
    watch._looking.join()
    assert manager.is_working() and manager.trouble == ''


def test_the_group_is_renamed_away_and_back(manager, watch, group):
    group.missing = True
    for _look in range(2):
        watch.check()
        assert not manager.is_working()
        assert 'Volume group "vg" not found' in manager.trouble
    group.missing = False
    watch.check()
    assert manager.is_working()


def test_one_look_at_a_time_and_the_heartbeat_never_waits(manager, watch, group):
    release = threading.Event()
    group.wait_for = release
    for _beat in range(3):
        watch.start_check()
    while not group.commands:
        time.sleep(0.001)  # the thread has only been started
    assert [argv[0] for argv in group.commands] == ['lvs']
    release.set()
    watch._looking.join()
    assert manager.is_working()


def test_a_back_end_that_answers_anyway_is_not_asked(manager, group):
    manager.backend.driver.get_volume_stats(refresh=True)
    group.programs()
    health.Watch(manager.backend).check()
    assert group.programs() == []


def test_a_back_end_that_never_came_up_is_left_to_the_periodic_task(
        ctxt, manager, watch, group):
    manager.backend.initialized = False
    watch.start_check()
    assert watch._looking is None and group.programs() == []
    manager.report_capabilities(ctxt)
    assert manager.is_working()


def test_a_driver_without_the_capability_is_not_watched(manager, monkeypatch):
    monkeypatch.setattr(manager.backend, 'driver', object())
    watch = health.Watch(manager.backend)
    watch.start_check()
    assert watch._looking is None


@pytest.mark.parametrize(('failure', 'reason'), [
    ({'exit_code': None, 'stderr': 'did not end'}, 'did not end'),
    ({'stderr': '  Volume group "vg" not found'}, 'not found')])
def test_a_report_that_fails_takes_the_back_end_down_and_nothing_is_published(
        ctxt, manager, group, sent, failure, reason):
    sent.clear()
    group.fail('lvs', **failure)
    manager.report_capabilities(ctxt)
    assert not manager.is_working() and reason in manager.trouble
    assert sent == []
    manager.report_capabilities(ctxt)
    assert manager.is_working()
    assert [method for method, _arguments in sent] == ['update_service_capabilities']


def test_a_back_end_that_is_only_busy_stays_up(ctxt, manager, watch, group):
    def answered():
        manager.backend.driver.vg.answered['lvm reports'] = float('inf')

    for act in (watch.check, lambda: manager.report_capabilities(ctxt)):
        manager.backend.driver.vg.answered['lvm reports'] = 0.0
        group.before = answered
        group.fail('lvs', None, 'no turn within 8.0 s')
        act()
        assert manager.is_working()
        group._failures.clear()


def test_two_cannot_bring_it_up_at_once(ctxt, manager):
    with manager.backend.starting:
        manager.backend.initialized = False
        assert init_host.run(ctxt, manager.backend) is False
    assert init_host.run(ctxt, manager.backend) is True


def test_a_creation_that_is_late_goes_back_to_the_journal_and_is_adopted(
        ctxt, manager, group, create):
    group.fail('lvcreate', None, 'lvcreate (process 7) did not end', after=True)
    ident = create()
    volume = volumes_db.get(ctxt, ident)
    assert volume.status == 'creating'
    operation, = journal.unfinished_for(ctxt, ident)
    manager.runner.handlers['volume.create'](ctxt, operations_db.get(ctxt, operation.id))
    assert volumes_db.get(ctxt, ident).status == 'available'
    assert sorted(group.volumes) == [f'volume-{ident}', 'vg-pool'][::-1]


def test_what_never_comes_ends_in_error_with_a_message(ctxt, manager, group, create):
    group.fail('lvcreate', None, 'lvcreate (process 7) did not end', times=9)
    ident = create()
    for _attempt in range(CONF.operation_max_attempts):
        operation, = journal.unfinished_for(ctxt, ident)
        manager.runner.handlers['volume.create'](ctxt, operations_db.get(ctxt, operation.id))
    assert volumes_db.get(ctxt, ident).status == 'error'
    assert journal.unfinished_for(ctxt, ident) == []
