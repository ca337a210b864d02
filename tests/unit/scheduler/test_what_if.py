# SPDX-License-Identifier: Apache-2.0
"""Answers about requests: those of the decisions that follow, without taking space."""
import oslo_messaging as messaging
import pytest

from cinder import exception
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import questions, what_if
from cinder.scheduler.manager import SchedulerManager
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.test_filter_scheduler import CTXT, chosen, scheduler

pytestmark = pytest.mark.usefixtures('database')
SLOW, FAST, FULL = 'n1@slow', 'n2@fast', 'n3@full'


class VolumeBus:
    """Takes notes of what the scheduler starts."""

    def __init__(self):
        self.started = []

    def start(self, ctxt, operation, resource):
        self.started.append((operation, resource))


@pytest.fixture
def bus():
    return VolumeBus()


@pytest.fixture
def manager(bus):
    """A scheduler that knows three back ends, the last one full."""
    made = SchedulerManager(
        's', conf=fakes.options(), volume_api=bus, clock=fakes.Clock(), timers=fakes.Later(),
        list_services=fakes.Services(*map(fakes.service, (SLOW, FAST, FULL))))
    for host, free in ((SLOW, 50), (FAST, 40), (FULL, 0)):
        made.host_manager.update(host, fakes.report(volume_backend_name=host[3:],
                                                    free_capacity_gb=free))
    made.readiness._ready.set()
    return made


@pytest.fixture
def endpoint(manager):
    found, = (each for each in manager.additional_endpoints
              if isinstance(each, questions.Questions))
    return found


@pytest.fixture
def fast(ctxt):
    made = types_db.create(ctxt, {'name': 'fast'}, {'volume_backend_name': 'fast'})
    return types_db.get(ctxt, made.id)


@pytest.fixture
def request_of(ctxt, fast):
    """Makes the (operation, resource) of a request, in the database."""
    def make(verb, arguments=None, size=10, **values):
        volume = volumes_db.create(ctxt, {
            'size': size, 'status': 'creating' if verb == 'create' else 'available',
            'attach_status': 'detached', 'project_id': 'p1', 'user_id': 'u1', **values})
        volume.volume_type = fast if values.get('volume_type_id') else None
        if verb not in ('create', 'migrate'):
            volumes_db.transition(ctxt, volume, verb)
            volume.status = 'retyping'
        return operations_db.create(ctxt, f'volume.{verb}', volume, stage='schedule',
                                    arguments=arguments), volume
    return make


def names(told, passed):
    return {pool['name'] for pool in told['pools']
            if all(each['passed'] for each in pool['filters']) is passed}


class TestAnswer:
    def test_create(self, ctxt, endpoint, manager, bus, request_of):
        operation, volume = request_of('create', {'scheduler_hints': {'colour': 'red'}})
        for _time in range(6):  # takes no space
            told = endpoint.what_if(ctxt, operation, volume)
        assert told['accepted'] and told['reason'] is None
        assert told['ignored_hints'] == ['colour']
        assert names(told, passed=False) == {'n3@full#full'}
        best, second, full = told['pools']
        assert (best['weights'], best['weight'], second['weight']) == (
            [{'name': 'CapacityWeigher', 'weight': 1.0}], 1.0, 0.0)
        refusal, = (each for each in full['filters'] if not each['passed'])
        assert refusal == {
            'name': 'CapacityFilter', 'passed': False, 'reason': 'not enough room for 10 GiB',
            'detail': 'wants 10 GiB, has 0: 0 of 100 GiB free, 0 % (0 GiB) reserved'}
        manager.create_volume(ctxt, operation, volume)
        (_operation, placed), = bus.started
        assert placed.host == told['choice'] == best['name']

    def test_create_in_a_group(self, ctxt, endpoint, fast, request_of):
        kind = group_types_db.create(ctxt, {'name': 'g', 'is_public': True})
        group = groups_db.create(ctxt, {'project_id': 'p1', 'status': 'available',
                                        'host': f'{FAST}#fast'}, [fast.id], kind)
        told = endpoint.what_if(ctxt, *request_of('create', {'group_id': group.id}))
        assert told['choice'] == 'n2@fast#fast'
        groups_db.update(ctxt, group.id, {'host': None})
        told = endpoint.what_if(ctxt, *request_of('create', {'group_id': group.id}))
        assert (told['accepted'], told['pools']) == (False, [])
        assert 'group of the volume was not created' in told['reason']

    @pytest.mark.parametrize(('new_size', 'accepted'), [(60, True), (61, False)])
    def test_extend_asks_for_the_growth_in_its_pool(self, ctxt, endpoint, request_of, new_size,
                                                    accepted):
        told = endpoint.what_if(ctxt, *request_of('extend', {'new_size': new_size},
                                                  host=f'{SLOW}#slow'))
        assert told['accepted'] is accepted
        assert told['choice'] == ('n1@slow#slow' if accepted else None)

    @pytest.mark.parametrize(('host', 'policy', 'choice'), [
        (FAST, 'never', FAST), (SLOW, 'on-demand', FAST), (SLOW, 'never', None)])
    def test_retype(self, ctxt, endpoint, manager, bus, fast, request_of, host, policy, choice):
        operation, volume = request_of('retype', {
            'new_type_id': fast.id, 'migration_policy': policy}, host=f'{host}#{host[3:]}')
        told = endpoint.what_if(ctxt, operation, volume)
        assert told['choice'] == (choice and f'{choice}#{choice[3:]}')
        assert (told['reason'] is None) is (choice is not None)
        manager.retype_volume(ctxt, operation, volume)
        went = [(sent.arguments.get('destination') or {'host': volume.host})['host']
                for sent, _volume in bus.started]
        assert went == ([told['choice']] if choice else [])

    def test_retype_of_a_full_back_end_stays(self, ctxt, endpoint, request_of):
        kind = types_db.create(ctxt, {'name': 'full'}, {'volume_backend_name': 'full'})
        told = endpoint.what_if(ctxt, *request_of('retype', {
            'new_type_id': kind.id, 'migration_policy': 'never'}, host=f'{FULL}#full'))
        assert told['choice'] == 'n3@full#full'
        assert names(told, passed=True) == {'n3@full#full'}

    @pytest.mark.parametrize('policy', ['never', 'on-demand'])
    def test_retype_is_refused_by_any_filter(self, ctxt, endpoint, manager, bus, request_of,
                                             policy):
        kind = types_db.create(ctxt, {'name': 'east'}, {'RESKEY:availability_zones': 'east'})
        operation, volume = request_of('retype', {
            'new_type_id': kind.id, 'migration_policy': policy}, host=f'{SLOW}#slow')
        told = endpoint.what_if(ctxt, operation, volume)
        assert told['choice'] is None
        assert 'not in an availability zone of the volume type' in told['reason']
        manager.retype_volume(ctxt, operation, volume)
        assert bus.started == []

    @pytest.mark.parametrize(('growth', 'choice'), [(30, 'n5@lvm#lvm'), (90, None)])
    def test_pool_of_a_cluster_has_the_name_of_any_host(self, ctxt, endpoint, manager, request_of,
                                                        growth, choice):
        for host in ('n4@lvm', 'n5@lvm'):
            manager.host_manager._list_services.rows.append(
                fakes.service(host, cluster_name='c@lvm'))
            manager.host_manager.update(host, fakes.report(free_capacity_gb=30),
                                        cluster_name='c@lvm')
        place = {'host': 'n4@lvm#lvm', 'cluster_name': 'c@lvm#lvm'}
        told = endpoint.what_if(ctxt, *request_of('extend', {'new_size': 10 + growth}, **place))
        assert told['choice'] == choice
        kind = types_db.create(ctxt, {'name': 'kind'}, {'volume_backend_name': 'lvm'})
        told = endpoint.what_if(ctxt, *request_of('retype', {
            'new_type_id': kind.id, 'migration_policy': 'never'}, **place))
        assert told['choice'] == 'n5@lvm#lvm'

    @pytest.mark.parametrize(('to', 'choice'), [(FAST, 'n2@fast#fast'), (FULL, None)])
    def test_migrate(self, ctxt, endpoint, request_of, to, choice):
        told = endpoint.what_if(ctxt, *request_of('migrate', {'resource_backend': to},
                                                  host=f'{SLOW}#slow'))
        assert told['choice'] == choice

    @pytest.mark.parametrize('wanted', [('fast',), ('fast', 'slow')])
    def test_group(self, ctxt, endpoint, fast, wanted):
        slow = types_db.create(ctxt, {'name': 'slow'}, {'volume_backend_name': 'slow'})
        ids = [{'fast': fast, 'slow': slow}[name].id for name in wanted]
        kind = group_types_db.create(ctxt, {'name': 'g', 'is_public': True})
        group = groups_db.create(ctxt, {'project_id': 'p1', 'status': 'creating'}, ids, kind)
        group.group_type = group_types_db.get_by_name_or_id(ctxt, kind.id)
        operation = operations_db.create(ctxt, 'group.create', group, stage='schedule')
        told = endpoint.what_if(ctxt, operation, group)
        assert told['choice'] == ('n2@fast#fast' if wanted == ('fast',) else None)
        checks = {each['name']: each['passed'] for pool in told['pools']
                  if pool['name'] == 'n1@slow#slow' for each in pool['filters']}
        assert checks['CapabilitiesFilter (fast)'] is False

    def test_scheduler_that_waits_for_reports_says_so(self, ctxt, endpoint, manager, request_of):
        manager.readiness._ready.clear()
        with pytest.raises(messaging.ExpectedException) as caught:
            endpoint.what_if(ctxt, *request_of('create'))
        assert isinstance(caught.value.exc_info[1], exception.SchedulerSilent)


class TestFill:
    def test_as_many_as_decisions_accept(self):
        def driver():
            return scheduler(fakes.report(free_capacity_gb=50), fakes.report(free_capacity_gb=75),
                             fakes.report(free_capacity_gb=9))
        asked, told = driver(), what_if.fill(CTXT, one := driver(), fakes.request(20), 10)
        fit = 0
        with pytest.raises(exception.NoValidBackend) as caught:
            while chosen(asked, size=20):
                fit += 1
        assert told == {
            'requested': 10, 'fit': fit, 'complete': True, 'reason': caught.value.kwargs['words'],
            'first': {'pool': 'n2@b#lvm', 'after': 4},
            'pools': [{'name': 'n1@b#lvm', 'volumes': 2, 'gib': 40, 'available': 10},
                      {'name': 'n2@b#lvm', 'volumes': 3, 'gib': 60, 'available': 15}]}
        assert [pool.capacity.free for pool in one.host_manager.pools(CTXT)[0]] == [50, 75, 9]

    def test_all_fit(self):
        told = what_if.fill(CTXT, scheduler(fakes.report()), fakes.request(10), 3)
        assert (told['fit'], told['reason'], told['first']) == (3, None, None)
        assert told['pools'][0]['available'] == 70

    def test_pools_without_a_limit_end_at_a_limit_of_time(self):
        driver = scheduler(fakes.report(free_capacity_gb='infinite',
                                        total_capacity_gb='infinite'))
        told = what_if.fill(CTXT, driver, fakes.request(10), 10 ** 9,
                            clock=iter(range(100)).__next__)
        assert told['complete'] is False and told['fit'] == what_if.MOST_SECONDS
        assert told['pools'][0]['available'] is None

    def test_number_of_volumes_grows_in_the_simulation(self, ctxt):
        driver = scheduler(fakes.report(), fakes.report(),
                           scheduler_default_weighers=['VolumeNumberWeigher'])
        volumes_db.create(ctxt, {'size': 1, 'status': 'available', 'attach_status': 'detached',
                                 'project_id': 'p1', 'host': 'n1@b#lvm'})
        told = what_if.fill(ctxt, driver, fakes.request(1), 5)
        assert [pool['volumes'] for pool in told['pools']] == [2, 3]
