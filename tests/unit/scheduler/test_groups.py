# SPDX-License-Identifier: Apache-2.0
"""Groups go where all the types that they take can be made."""
import pytest

from cinder import exception, objects
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes

pytestmark = pytest.mark.usefixtures('database')


class VolumeBus:
    """What the scheduler says to the volume services."""

    def __init__(self):
        self.groups, self.volumes = [], []

    def start(self, ctxt, operation, resource):
        place = resource.host, operation.host, operation.stage
        if operation.resource_type == 'group':
            self.groups.append((*place, operation.state))
        else:
            self.volumes.append(place)


@pytest.fixture
def bus():
    return VolumeBus()


@pytest.fixture
def later():
    return fakes.Later()


@pytest.fixture
def manager(bus, later):
    """A scheduler of n1@b and n2@b; n2 has a fast and a big pool."""
    manager = SchedulerManager(
        'sched', conf=fakes.options(), volume_api=bus, clock=fakes.Clock(), timers=later,
        list_services=fakes.Services(fakes.service('n1@b', availability_zone='az1'),
                                     fakes.service('n2@b', availability_zone='az2')))
    manager.host_manager.update('n1@b', fakes.report(volume_backend_name='one', disk='fast'))
    manager.host_manager.update('n2@b', fakes.report(
        volume_backend_name='two', consistent_group_snapshot_enabled=True,
        pools=[{'pool_name': 'fast', 'disk': 'fast', 'free_capacity_gb': 10},
               {'pool_name': 'big', 'disk': 'slow', 'free_capacity_gb': 90}]))
    manager.readiness._ready.set()
    return manager


@pytest.fixture
def place(ctxt, manager):
    """Ask for a group that takes types of these disks; the group as it is then."""
    def ask(*disks, zone=None, **group_specs):
        kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True}, group_specs)
        types = [types_db.create(ctxt, {'name': disk}, extra_specs={'disk': disk}).id
                 for disk in disks]
        group = groups_db.create(ctxt, {'project_id': 'p1', 'status': 'creating',
                                        'availability_zone': zone}, types, kind)
        operation = operations_db.create(ctxt, 'group.create', group, stage='schedule')
        manager.runner.handlers['group.create'](ctxt, operation)
        return groups_db.get(ctxt, group.id)
    return ask


def test_a_back_end_has_to_fit_all_types(place, bus):
    group = place('slow', 'fast')
    assert group.host in ('n2@b#big', 'n2@b#fast') and group.availability_zone == 'az2'
    assert bus.groups == [(group.host, 'n2@b', 'execute', 'queued')]


def test_a_back_end_has_to_fit_the_specs_that_are_capabilities(place):
    assert place('fast', consistent_group_snapshot_enabled='<is> True').host == 'n2@b#fast'


@pytest.mark.parametrize('specs', [
    {'key': 'value'}, {'velero.io/x': 'y'}, {'consistent_group_snapshot_enabled': '<is> False'},
    {'capabilities:disk': 'none'}, {'group_replication_enabled': 'maybe'}, {'disk': 'slow'}])
def test_other_specs_of_a_group_type_are_nobodys_capabilities(place, specs):
    assert place('fast', **specs).host is not None


@pytest.mark.parametrize('key', objects.groups.CAPABILITIES[1:])
def test_a_group_type_that_no_back_end_fits(ctxt, place, key):
    group = place('fast', **{key: '<is> True'})
    assert (group.status, group.host) == ('error', None)
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': group.id}).rows
    assert message['user_message'].endswith(
        'does not offer what the group type asks for (3 of 3 pools).')


def test_the_zone_counts(place):
    assert place('fast', zone='az2').host == 'n2@b#fast'


def test_a_group_that_fits_nowhere_fails_with_the_reason(ctxt, place, bus):
    group = place('fast', 'green')
    assert (group.status, group.host, bus.groups) == ('error', None, [])
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': group.id}).rows
    assert message['user_message'] == (
        'schedule allocate group:No storage back end can take the group: '
        'does not offer what the volume type asks for (3 of 3 pools).')


def test_a_group_takes_no_space(manager, place):
    place('fast')
    assert {pool.capacity.allocated for pool in manager.host_manager.pools(None)[0]} == {0}


def test_a_group_that_was_deleted_meanwhile_goes_nowhere(ctxt, place, manager, bus, monkeypatch):
    decide = manager.driver.decide_group

    def slowly(*args):
        group, = groups_db.list_rows(ctxt).rows
        groups_db.destroy(ctxt, group['id'])
        return decide(*args)
    monkeypatch.setattr(manager.driver, 'decide_group', slowly)
    with pytest.raises(exception.GroupNotFound):
        place('fast')
    assert bus.groups == []


class TestVolumesOfNewGroups:
    @pytest.fixture
    def group(self, ctxt):
        kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True}, {})
        wanted = types_db.create(ctxt, {'name': 'fast'}, extra_specs={'disk': 'fast'}).id
        return groups_db.create(ctxt, {'project_id': 'p1', 'status': 'creating'}, [wanted], kind)

    @pytest.fixture
    def ask(self, ctxt, manager, group):
        """Ask for a volume of the group; its id."""
        def ask(**arguments):
            volume = volumes_db.create(ctxt, {
                'project_id': 'p1', 'status': 'creating', 'size': 1, 'group_id': group.id,
                'volume_type_id': group.volume_types[0]})
            operation = operations_db.create(
                ctxt, 'volume.create', volume, stage='schedule',
                arguments={'group_id': group.id, 'scheduler_hints': {}, **arguments})
            manager.runner.handlers['volume.create'](ctxt, operation)
            return volume.id
        return ask

    def test_wait_until_the_group_is_there_and_go_where_it_is(self, ctxt, ask, group, later, bus,
                                                              manager):
        ident = ask()
        for _each in range(20):
            later.run(manager.runner.wait)
        assert (bus.volumes, volumes_db.get(ctxt, ident).status) == ([], 'creating')
        groups_db.update(ctxt, group.id, {'host': 'n1@b#n1@b'})
        later.run(manager.runner.wait)
        assert bus.volumes == [], 'the storage does not know the group yet'
        groups_db.overwrite(ctxt, group.id, {'status': 'available'})
        later.run(manager.runner.wait)
        (host, backend, stage), = bus.volumes
        assert (host.partition('#')[0], backend, stage) == ('n1@b', 'n1@b', 'execute')
        assert set(later.pauses) == {0.5}

    @pytest.mark.parametrize(('values', 'arguments', 'words'), [
        ({'status': 'error'}, {}, 'the group of the volume was not created'),
        ({'status': 'available', 'host': 'n1@b#p'}, {'resource_backend': 'n2@b'},
         'the source and the group of the volume are on different back ends')])
    def test_fail_with_the_reason(self, ctxt, ask, group, later, bus, manager, values, arguments,
                                  words):
        ident = ask(**arguments)
        groups_db.overwrite(ctxt, group.id, values)
        later.run(manager.runner.wait)
        assert (bus.volumes, volumes_db.get(ctxt, ident).status) == ([], 'error')
        message, = messages_db.list_rows(ctxt, filters={'resource_uuid': ident}).rows
        assert message['user_message'].endswith(f'can take the volume: {words}.')

    def test_fail_where_the_group_is_gone(self, ctxt, ask, group, later, manager):
        ident = ask()
        groups_db.destroy(ctxt, group.id)
        later.run(manager.runner.wait)
        assert volumes_db.get(ctxt, ident).status == 'error'
